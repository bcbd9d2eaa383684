"""A run among the versions: which one it follows, which one it is compared with, and in whose name it acts."""

from collections.abc import Mapping

from inference.models import Deployment, Role, Version
from jobs.errors import AlgorithmInvalid
from jobs.models import TrainingRun
from jobs.training.frozen import Head


def next_number(run: TrainingRun) -> str:
    """The next PATCH of the algorithm's newest version that has the endpoint's inputs and outputs.

    Raises:
        AlgorithmInvalid: it has none: the first one is trained for git.
    """
    newest = newest_version(run)
    return f"{newest.major}.{newest.minor}.{newest.patch + 1}"


def newest_version(run: TrainingRun) -> Version:
    """The algorithm's newest version that has the endpoint's inputs and outputs.

    Raises:
        AlgorithmInvalid: it has none.
    """
    fitting = Version.objects.filter(
        endpoint=run.endpoint, algorithm=run.algorithm, signature_digest=run.endpoint.signature_digest
    )
    newest = fitting.order_by("-major", "-minor", "-patch").first()
    if newest is None:
        place = f"{run.endpoint.folder}/{run.algorithm}"
        raise AlgorithmInvalid(place, "has no version with the endpoint's inputs yet: train and deploy one first.")
    return newest


def champion_of(run: TrainingRun) -> Version | None:
    """The version that answers the endpoint now."""
    live = Deployment.objects.filter(endpoint=run.endpoint, role=Role.CHAMPION, ended_at=None)
    deployment = live.select_related("version").first()
    return deployment.version if deployment else None


def actor(run: TrainingRun) -> str:
    """Who publishes and deploys what the run made, for the history."""
    by = run.created_by
    return by if by.startswith("schedule:") else f"training by {by}"[:150]


def split_seed(champion: Version | None, own: int) -> int:
    """The seed the champion's rows were split by, so that none of those it learnt from is held out."""
    if champion is None:
        return own
    made_by = TrainingRun.objects.filter(candidate=champion).first()
    return made_by.data["seed"] if made_by is not None and "seed" in made_by.data else champion.manifest["seed"]


def known_to(champion: Version, head: Head, *, seed: int) -> str:
    """Why the champion may have learnt from rows that are held out, or nothing where it surely did not.

    Args:
        head: of the frozen data.
        seed: of its split.
    """
    if head.source.split != "random":
        return ""
    files, code = champion.manifest["data"], champion.manifest["code"]
    if any(files.get(name, {}).get("sha256") != sha256 for name, sha256 in head.files.items()) or any(
        code.get(name) != sha256 for name, sha256 in head.code.items()
    ):
        return f"the base data is not what {champion.tag} was made from, so it was split in another way"
    if split_seed(champion, seed) != seed:
        return f"{champion.tag} went live after the split was made, and has another seed"
    return ""


def check_code(run: TrainingRun, now: Mapping[str, str]) -> None:
    """A PATCH is made by the code of the version it follows; other code is another MINOR, trained for git.

    Args:
        now: sha256 of the code, by path: of the algorithm, and of what prepared the base data.

    Raises:
        AlgorithmInvalid: the code of that version was another one.
    """
    newest = newest_version(run)
    then = newest.manifest["code"]
    if changed := sorted(name for name in {*now, *then} if now.get(name) != then.get(name)):
        raise AlgorithmInvalid(
            f"{run.endpoint.folder}/{changed[0]}",
            f"is not what made {newest.tag}. Other code is another version: train it for git, with --version"
            f" {newest.major}.{newest.minor + 1}.0, and deploy that.",
        )

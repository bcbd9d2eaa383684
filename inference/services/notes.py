"""Notes: written once, never changed, taken back whole."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from inference.models import Endpoint, Note, Prediction, Version
from inference.services.control import control_log_write


def note_write(*, about: Endpoint | Version | Prediction, author: AbstractBaseUser, text: str) -> Note:
    """Say something about an endpoint, a version or a prediction.

    Raises:
        ValidationError: there is no text, or more than 4,000 characters.
    """
    said = {type(about).__name__.lower(): about}
    note = Note(author=author, text=text.replace("\r\n", "\n").strip(), **said)
    # What refers to predictions is looked up through their partitions, which nothing here needs.
    note.full_clean(exclude=["endpoint", "version", "prediction", "author"])
    note.save()
    return note


@transaction.atomic
def note_delete(*, note: Note, actor: str) -> None:
    """Take a note away. That there was one stays in the control log, but not its words."""
    after = {"author": note.author.get_username(), "written_at": note.written_at}
    control_log_write(actor=actor, action="note.delete", target=note, before=after)
    note.delete()

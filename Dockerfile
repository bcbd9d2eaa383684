# One image for every role: `docker-compose.yml` says which command is which. docs/operate.md tells how it is run.

FROM python:3.13-slim AS packages
COPY requirements.txt /
# Made without pip, so that the result can install nothing. Every package has a wheel: nothing is compiled.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --only-binary :all: --require-hashes --requirement /requirements.txt

FROM python:3.13-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    FORETELL_HOME=/var/lib/foretell \
    HOST=0.0.0.0 \
    PORT=8000 \
    PULSE_FILE=/tmp/pulse
RUN python -m pip uninstall --yes --root-user-action ignore pip
COPY --from=packages /opt/venv /opt/venv
COPY manage.py /app/
COPY artifacts /app/artifacts
COPY inference /app/inference
COPY jobs /app/jobs
COPY streaming /app/streaming
COPY project /app/project
WORKDIR /app
# The key signs nothing: it only keeps this step from leaving one in the image.
# A volume that is mounted at one of these folders for the first time takes over its owner.
RUN python -m compileall -q /app \
    && SECRET_KEY=build python manage.py collectstatic --no-input --verbosity 0 \
    && install -d -o 10001 -g 10001 /var/lib/foretell/store /var/lib/foretell/uploads /var/lib/foretell/tmp
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=6s --start-period=40s --retries=3 \
    CMD ["python", "-I", "project/healthcheck.py", "web"]
CMD ["python", "manage.py", "serve"]

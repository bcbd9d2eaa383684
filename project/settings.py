"""Django, DRF, Channels and Celery settings, in sections. Differences between places come from the environment only."""

from project import env

ENVIRONMENT = env.load()
BASE_DIR = env.BASE_DIR

# ---- Core -----------------------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/ref/settings/
SECRET_KEY = ENVIRONMENT.secret_key
SECRET_KEY_FALLBACKS = list(ENVIRONMENT.secret_key_fallbacks)
DEBUG = ENVIRONMENT.debug
ALLOWED_HOSTS = list(ENVIRONMENT.allowed_hosts)
ROOT_URLCONF = "project.urls"
ASGI_APPLICATION = "project.asgi.application"
# The API has no trailing-slash redirects: a client that posts to a redirect loses its body.
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = [
    "daphne",
    "unfold",
    "unfold.contrib.filters",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "django_celery_results",
    "project",
    "inference",
    "streaming",
    "jobs",
]

MIDDLEWARE = [
    "project.request_ids.request_ids",
    "project.addresses.addresses",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "project" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

# ---- Time and language ----------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/topics/i18n/timezones/
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "project.formats"

# ---- Database -------------------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/ref/databases/#postgresql-notes
DATABASE_URL = ENVIRONMENT.database_url
DATABASES = {"default": env.database(DATABASE_URL)}

# ---- Foretell -------------------------------------------------------------------------------------------------------
FORETELL_HOME = ENVIRONMENT.home
ARTIFACTS_DIR = BASE_DIR / "artifacts"
STORE_DIR = FORETELL_HOME / "store"
RETENTION_DAYS = 400
JOB_RETENTION_DAYS = 30
# What one training process may use: address space, processor time, time by the clock, the largest file.
TRAINING_LIMITS = {"memory_bytes": 4 * 2**30, "cpu_s": 1800, "wall_s": 2700, "file_bytes": 2 * 2**30}
PULSE_FILE = ENVIRONMENT.pulse_file

# ---- Redis: Channels and Celery -------------------------------------------------------------------------------------
# https://channels.readthedocs.io/en/stable/topics/channel_layers.html
# The pub/sub layer keeps its groups through FLUSHALL and reconnects; the other one loses them for good.
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [ENVIRONMENT.redis_url]},
    }
}
REDIS_URL = ENVIRONMENT.redis_url

# https://docs.celeryq.dev/en/stable/userguide/configuration.html
CELERY_BROKER_URL = env.celery_broker(ENVIRONMENT.redis_url)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# A Redis that hangs is an error after some seconds, not a wait.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 3600, "socket_connect_timeout": 2, "socket_timeout": 10}
CELERY_RESULT_BACKEND = "django-db"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_RESULT_SERIALIZER = "json"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "online"
CELERY_TASK_ROUTES = {"jobs.batch_*": {"queue": "batch"}, "jobs.training_*": {"queue": "training"}}
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BEAT_SCHEDULER = "jobs.workers.pulse:Scheduler"
CELERY_IMPORTS = ("jobs.workers.pulse", "jobs.workers.worker")
CELERY_TIMEZONE = "UTC"

# ---- REST -----------------------------------------------------------------------------------------------------------
# https://www.django-rest-framework.org/api-guide/settings/
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "inference.http.problems.exception_handler",
}
# https://drf-spectacular.readthedocs.io/en/latest/settings.html
SPECTACULAR_SETTINGS = {
    "TITLE": "Foretell",
    "DESCRIPTION": "Live machine-learning predictions over REST.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    # Names for what several kinds of things have: a state is not the same of a batch job and of a run.
    "ENUM_NAME_OVERRIDES": {
        "BatchKindEnum": "jobs.models.BatchJob.Kind",
        "BatchStateEnum": "jobs.models.BatchJob.State",
        "RunStateEnum": "jobs.models.TrainingRun.State",
        "RetrainingKindEnum": [("retraining", "retraining")],
        "BatchScheduleKindEnum": [("batch", "batch")],
    },
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
}

# ---- People ---------------------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/topics/auth/passwords/
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
PASSWORD_RESET_TIMEOUT = 24 * 3600
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
CSRF_TRUSTED_ORIGINS = list(ENVIRONMENT.csrf_trusted_origins)
SESSION_COOKIE_HTTPONLY = True
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

# ---- Mail -----------------------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/topics/email/
globals().update(env.email(ENVIRONMENT.email_url))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = ENVIRONMENT.email_from

# ---- https ----------------------------------------------------------------------------------------------------------
# https://docs.djangoproject.com/en/5.2/topics/security/#ssl-https
# There is no SECURE_PROXY_SSL_HEADER: uvicorn reads forwarded headers, from TRUSTED_PROXIES only, into the scope's
# scheme and client, which Django believes.
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = ENVIRONMENT.https
SECURE_HSTS_SECONDS = ENVIRONMENT.hsts_s if ENVIRONMENT.https else 0
# Whether every other name of the domain speaks https, for good, is not this server's to promise.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W021"]

# ---- Static files ---------------------------------------------------------------------------------------------------
# https://whitenoise.readthedocs.io/en/stable/django.html
STATIC_URL = "static/"
STATIC_ROOT = FORETELL_HOME / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    **env.storages(ENVIRONMENT.storage_url, FORETELL_HOME),
}

# https://docs.djangoproject.com/en/5.2/topics/http/file-uploads/
# Only batch jobs take files, and look at them on the disk.
FILE_UPLOAD_HANDLERS = ["jobs.admin.incoming.IncomingFileHandler"]
FILE_UPLOAD_TEMP_DIR = FORETELL_HOME / "tmp"
# That this folder is not there yet: the first file makes it.
SILENCED_SYSTEM_CHECKS += ["files.E001"]

# ---- Console --------------------------------------------------------------------------------------------------------
# https://unfoldadmin.com/docs/configuration/settings/
UNFOLD = {
    "SITE_TITLE": "Foretell",
    "SITE_HEADER": "Foretell",
    "SITE_URL": None,
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "project.console.sidebar.favicon"}],
    "SHOW_VIEW_ON_SITE": False,
    "STYLES": ["project.console.look.stylesheet"],
    "SCRIPTS": ["project.console.look.script"],
    "LOGIN": {"form": "project.console.login.LoginForm"},
    "DASHBOARD_CALLBACK": "project.console.live.context",
    "SIDEBAR": {"show_search": False, "navigation": "project.console.sidebar.navigation"},
}

# ---- Logging --------------------------------------------------------------------------------------------------------
# https://www.structlog.org/en/stable/standard-library.html
LOGGING_CONFIG = "project.log.configure"
# A line for each request or message says nothing of what came of it, and the sweeper alone has one every 10 s.
LOGGING = {
    "level": "DEBUG" if DEBUG else "INFO",
    "quiet": ["uvicorn.access", "celery.app.trace", "celery.beat", "celery.worker.strategy"],
}

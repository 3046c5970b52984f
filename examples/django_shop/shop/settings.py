"""Settings of a site on one machine. What is there for the flags is marked."""

import os
from pathlib import Path

FOLDER = Path(__file__).parent.parent

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for-this-machine-only")
DEBUG = bool(os.environ.get("SHOP_DEBUG", "1"))
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
USE_TZ = True
STATIC_URL = "static/"  # the live server of Django's tests wants one
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": os.environ.get("SHOP_DATABASE", FOLDER / "shop.sqlite3"),
    }
}
AUTH_USER_MODEL = "shop.Customer"
LOGIN_REDIRECT_URL = "products"
LOGOUT_REDIRECT_URL = "products"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "signakit_django",  # flags
    "shop",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "signakit_django.middleware.SignaKitMiddleware",  # flags, after those who know the user
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "signakit_django.context_processors.flags",  # {{ flags }}, untouched until a template asks
            ]
        },
    }
]

SIGNAKIT = {  # flags; the key comes from SIGNAKIT_SDK_KEY
    "IDENTIFY": "shop.identity.identify",
    "POLLING_INTERVAL": float(os.environ.get("SHOP_POLLING_INTERVAL", "30")),
}

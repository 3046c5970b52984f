"""Who buys."""

from django.contrib.auth.models import AbstractUser
from django.db import models

PLANS = [("pro", "Pro"), ("free", "Free")]
COUNTRIES = [("DE", "Germany"), ("AT", "Austria"), ("FR", "France"), ("US", "United States")]


class Customer(AbstractUser):
    """An account, with what the rules of the flags ask about."""

    # The types that django-stubs' plugin for mypy would know by itself.
    plan: "models.CharField[str, str]" = models.CharField(max_length=10, choices=PLANS, default="pro")
    country: "models.CharField[str, str]" = models.CharField(max_length=2, choices=COUNTRIES, default="DE")

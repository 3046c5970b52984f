"""What customers fill in."""

from django.contrib.auth.forms import UserCreationForm

from .models import Customer


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # Django's forms are generic for type checkers alone
    """A new account."""

    class Meta:
        """Of the model."""

        model = Customer
        fields = ("username", "plan", "country")

"""Where the pages are."""

from django.contrib.auth.views import LoginView, LogoutView
from django.urls import path

from signakit_django.views import health

from . import views

urlpatterns = [
    path("", views.products, name="products"),
    path("checkout/<slug:slug>/", views.checkout, name="checkout"),
    path("buy/<slug:slug>/", views.buy, name="buy"),
    path("thanks/<slug:slug>/", views.thanks, name="thanks"),
    path("beta/", views.beta, name="beta"),
    path("sign-up/", views.sign_up, name="sign-up"),
    path("login/", LoginView.as_view(), name="login"),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("health/flags/", health, name="health"),
]

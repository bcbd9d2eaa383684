"""What all pages of the console look like and answer to, beyond what their framework brings."""

from django.http import HttpRequest
from django.templatetags.static import static


def stylesheet(request: HttpRequest) -> str:
    """Where the browser finds it."""
    return static("project/console.css")


def script(request: HttpRequest) -> str:
    """Where the browser finds what makes the framework's menus controls."""
    return static("project/menus.js")

"""What a wrong request is answered: one reading of the errors, told by the page and by the JSON endpoints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from .._project.edits import NotInProjectError
from .._project.reading import ProjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

    from .._project.reading import ProjectProblem

    Endpoint: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


class BadRequestError(ValueError):
    """The body or the query is not what the endpoint takes; the message says why."""


@dataclass(frozen=True, slots=True)
class ErrorReport:
    """Why a request is not done.

    Attributes:
        status: 404 for what is not in the project, 409 for a project with errors, 500 for a file that cannot be
            written; else 400.
        reason: Why, without a full stop.
        problems: What is wrong with the project.
    """

    status: int
    reason: str
    problems: Sequence[ProjectProblem] = ()


def reporting_errors(endpoint: Endpoint, tell: Callable[[ErrorReport], Response]) -> Endpoint:
    """Return the endpoint, with ``tell`` to answer where the request was wrong."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except NotInProjectError as error:
            return tell(ErrorReport(404, str(error)))
        except ProjectError as error:
            return tell(ErrorReport(409, "the project is not in order", error.problems))
        except (TypeError, ValueError) as error:
            return tell(ErrorReport(400, str(error)))
        except OSError as error:
            return tell(ErrorReport(500, f"the file cannot be written: {error.strerror or error}"))

    return answer

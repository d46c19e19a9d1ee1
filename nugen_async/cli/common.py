"""What all commands share: the root of the command line, their options, and the client that these make."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import aiohttp
from attrs import frozen
from cyclopts import App, Group, Parameter
from cyclopts.types import NonNegativeFloat, PositiveFloat

from ..client import Nugen, SeekrFlow
from ..errors import InvalidRequestError
from . import exits
from .screen import Form, Screen

F = TypeVar("F", bound=Callable[..., Any])

Flag = Annotated[bool, Parameter(negative="", show_default=False)]
Patience = Annotated[
    NonNegativeFloat | None, Parameter(name="--timeout", metavar="SECONDS", show_default=False)
]
Names = Annotated[list[str], Parameter(negative="", consume_multiple=True, show_default=False)]
Files = Annotated[list[Path], Parameter(negative="", consume_multiple=True, show_default=False)]

_EPILOGUE = f"""\
Keys come from the environment: NUGEN_API_KEY and SEEKR_API_KEY.
No key yet? "nugen-async demo" needs none.

Exit codes:
{exits.table()}

Examples:
  nugen-async demo
  nugen-async align --name contracts --base-model llama-v3p1-8b-instruct \\
      --document contracts.txt --wait
  nugen-async align -h"""


def _version() -> str:
    try:
        return version("nugen-async")
    except PackageNotFoundError:
        return "0 (not installed)"


TRY = Group("Try it", sort_key=1)
WORK = Group("Work", sort_key=2)
LOOK = Group("Look", sort_key=3)
VERBS = Group("Commands", sort_key=1)

app = App(
    name="nugen-async",
    help="Align models with your documents, many at once, and measure the gain.",
    help_epilogue=_EPILOGUE,
    help_format="plaintext",
    help_flags=["-h", "--help"],
    version=_version,
    suppress_keyboard_interrupt=False,
    exit_on_error=False,
    print_error=False,
    result_action="return_value",
    group_commands=Group("Other", sort_key=4),
)


def command(*examples: str, group: Group = WORK) -> Callable[[F], F]:
    """Make a function a command whose help ends with *examples*."""
    return app.command(group=group, help_epilogue=epilogue(*examples))


def epilogue(*examples: str) -> str:
    """The end of a command's help."""
    return "\n".join(("Examples:", *(f"  {example}" for example in examples)))


_COMMON = Group("Common options", sort_key=9)


@Parameter(name="*", group=_COMMON)
@frozen(kw_only=True)
class Output:
    """The options of every command that shows a result."""

    json: Flag = False
    """Print the result as JSON."""
    jsonl: Flag = False
    """Print one JSON object a line, each as it comes."""
    quiet: Annotated[bool, Parameter(name=["--quiet", "-q"], negative="", show_default=False)] = (
        False
    )
    """Show errors, but no progress."""
    debug: Flag = False
    """Show tracebacks."""

    @property
    def screen(self) -> Screen:
        """Where this command's output goes."""
        form: Form = "jsonl" if self.jsonl else "json" if self.json else "people"
        return Screen(form, self.quiet)


AS_USUAL = Output()


@Parameter(name="*", group=_COMMON)
@frozen(kw_only=True)
class Common(Output):
    """The options of every command that asks a server."""

    base_url: Annotated[str | None, Parameter(metavar="URL")] = None
    """Another server than NUGEN_BASE_URL or SEEKR_BASE_URL."""
    contract: Annotated[Literal["documented", "plural", "auto"], Parameter(show_default=True)] = (
        "documented"
    )
    """Which set of routes the server has."""
    request_timeout: Annotated[PositiveFloat, Parameter(metavar="SECONDS")] = 60.0
    """How long one request may take."""

    def nugen(self, *traces: aiohttp.TraceConfig) -> Nugen:
        """A client by these options and the environment."""
        _need("NUGEN_API_KEY")
        return Nugen(
            base_url=self.base_url,
            contract=self.contract,
            timeout=self.request_timeout,
            trace_configs=traces,
        )

    def seekr(self) -> SeekrFlow:
        """A SeekrFlow client by these options and the environment."""
        _need("SEEKR_API_KEY")
        return SeekrFlow(base_url=self.base_url, timeout=self.request_timeout)


DEFAULTS = Common()


@Parameter(name="*")
@frozen(kw_only=True)
class Waiting:
    """Whether a command that starts something waits for its end."""

    wait: Flag = False
    """Wait for the end, and show what came of it."""
    timeout: Patience = None
    """Wait so many seconds at most; at the server it goes on."""

    def check(self) -> None:
        """Raise `InvalidRequestError` where a limit is set to no wait."""
        if self.timeout is not None and not self.wait:
            raise InvalidRequestError("--timeout limits a wait: give --wait as well")


AT_ONCE = Waiting()


def _need(variable: str) -> None:
    if not os.environ.get(variable, "").strip():
        raise exits.NoKeyError(
            f"No API key: set {variable} in the environment, or try it without one: nugen-async demo"
        )

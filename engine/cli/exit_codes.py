"""Exit codes, and the one place that says which error ends with which."""

from enum import IntEnum

from engine.base import errors


class ExitCode(IntEnum):
    """How ``engine-run`` ended."""

    DONE = 0
    """Done, or stopped by signal with nothing outstanding."""
    FAILED = 1
    """Failed at run time, our bug included, or ended by a second signal."""
    USAGE = 2
    """Wrong usage or configuration."""
    OUTSTANDING = 3
    """Stopped with events outstanding."""
    UNREACHABLE = 4
    """Engine, venue or Redis not reachable."""
    VERIFICATION = 5
    """Verification failed."""
    REFUSED = 6
    """Rejected or refused: auth, risk, conflict."""


# The most special class of an error counts; one that is not listed is told by its base.
_CODE_OF_ERROR: dict[type[errors.EngineError], ExitCode] = {
    errors.EngineError: ExitCode.FAILED,
    errors.MisuseError: ExitCode.USAGE,
    errors.NotPermittedError: ExitCode.REFUSED,
    errors.WrongThreadError: ExitCode.FAILED,
    errors.UseAfterRecycleError: ExitCode.FAILED,
    errors.CapacityError: ExitCode.FAILED,
    errors.EngineGoneError: ExitCode.UNREACHABLE,
    errors.VenueError: ExitCode.REFUSED,
    errors.UnavailableError: ExitCode.UNREACHABLE,
    errors.NetworkError: ExitCode.UNREACHABLE,
    errors.ProtocolError: ExitCode.FAILED,
    errors.InternalError: ExitCode.FAILED,
}


def exit_code_of(error: BaseException) -> ExitCode:
    """The exit code an error ends the command with.

    A group ends with the code its members agree on, else with FAILED. What is no error of ours is our bug.
    """
    if isinstance(error, BaseExceptionGroup):
        codes = {exit_code_of(member) for member in error.exceptions}
        return codes.pop() if len(codes) == 1 else ExitCode.FAILED
    for cls in type(error).__mro__:
        if issubclass(cls, errors.EngineError) and cls in _CODE_OF_ERROR:
            return _CODE_OF_ERROR[cls]
    return ExitCode.FAILED

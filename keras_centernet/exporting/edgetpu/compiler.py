"""Runs Coral's `edgetpu_compiler`, if it is installed, and reads its log."""

import dataclasses
import pathlib
import re
import subprocess
import tempfile

from keras_centernet.errors import UserError

COMPILER = "edgetpu_compiler"
SUFFIX = "_edgetpu"  # that the compiler adds to a file's name
LONGEST = 600  # seconds; the compiler itself gives up after 180
ON_EDGE_TPU = "Mapped to Edge TPU"

_VALUES = {
    "version": r"Edge TPU Compiler version (\S+)",
    "milliseconds": r"Model compiled successfully in (\d+) ms",
    "subgraphs": r"Number of Edge TPU subgraphs: (\d+)",
    "operators": r"Total number of operations: (\d+)",
    "on_chip": r"On-chip memory used for caching model parameters: (\S+)",
    "streamed": r"Off-chip memory used for streaming uncached model parameters: (\S+)",
}
_ERROR = re.compile("error|internal compiler error|compilation failed", re.IGNORECASE)
_STATUS = re.compile(r"^([A-Z][A-Z0-9_]*) +(\d+) +(\S.*?) *$", re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class CompilerLog:
    """What the compiler printed.

    Attributes:
        subgraphs: number of subgraphs for the Edge TPU: 1, or 0 if nothing maps.
        on_chip, streamed: memory, with its unit, of the parameters that stay on the chip, and of those that do not fit
            and are sent again for every image.
        statuses: (operator, count, status) of each kind of operator.
    """

    version: str
    subgraphs: int
    operators: int
    on_chip: str
    streamed: str
    statuses: tuple[tuple[str, int, str], ...]

    @property
    def mapped(self) -> int:
        """Number of operators that the Edge TPU runs."""
        return sum(count for _, count, status in self.statuses if status == ON_EDGE_TPU)


def compile_command(raw: str) -> str:
    """Returns the command line that compiles a file in the current folder."""
    return f"{COMPILER} -s {raw}"


def compiled_name(raw: str) -> str:
    """Returns the name of the file that the compiler makes from this one."""
    path = pathlib.PurePath(raw)
    return path.with_stem(f"{path.stem}{SUFFIX}").name


def compile_edgetpu(content: bytes) -> tuple[bytes, CompilerLog]:
    """Returns the file that the compiler makes from an int8 file, and its log; a UserError says why there is none."""
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder, "raw.tflite")
        raw.write_bytes(content)
        command = [COMPILER, "-s", "-o", folder, str(raw)]
        try:
            ran = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{COMPILER}: expected it to compile the network, got: {error}.") from error
        compiled = raw.with_name(compiled_name(raw.name))
        said = f"{ran.stdout}\n{ran.stderr}"
        if ran.returncode or not compiled.exists():
            raise UserError(f"{COMPILER}: expected a compiled network, got exit code {ran.returncode}: {_reason(said)}")
        return compiled.read_bytes(), parse_log(said)


def parse_log(text: str) -> CompilerLog:
    """Returns what the compiler printed with `-s`; raises a UserError if it failed or left everything to the CPU."""
    found = {name: re.search(pattern, text) for name, pattern in _VALUES.items()}
    if not all(found.values()):
        missing = ", ".join(name for name, match in found.items() if not match)
        raise UserError(f"{COMPILER}: expected the log of a compilation, got one without {missing}: {_reason(text)}")
    values = {name: match.group(1) for name, match in found.items() if name != "milliseconds"}
    values |= {name: int(values[name]) for name in ("subgraphs", "operators")}
    log = CompilerLog(
        **values, statuses=tuple((name, int(count), status) for name, count, status in _STATUS.findall(text))
    )
    if not log.subgraphs:
        raise UserError(f"{COMPILER}: expected a subgraph for the Edge TPU, got none: {_reason(text)}")
    return log


def _reason(text: str) -> str:
    """Returns the line that says what went wrong, else the last one."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines[-1:] or ["it said nothing"])[0]

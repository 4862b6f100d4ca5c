"""Fixtures for all tests."""

import os
import uuid
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any

# Set before a model library is imported: no test may use the hub.
os.environ["HF_HUB_OFFLINE"] = "1"
# As the command line does: threads that spin for long slow down tests that run in parallel.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

import optuna
import pytest
import sqlalchemy
import torch
from fake_ollama import FakeOllama
from fake_server import FakeServer
from hypothesis import settings
from optuna.storages import RDBStorage
from playwright.sync_api import Browser

from llmsearch_optuna.storage import open_storage
from studies.benchmarks.browser import chromium_path, launch
from studies.benchmarks.synthetic_studies import Plan, Written, write_study

settings.register_profile("fast", max_examples=10, derandomize=True, database=None, deadline=None)
settings.register_profile("full", max_examples=100, deadline=None)
settings.load_profile("fast")  # `--hypothesis-profile full` is loaded after this file

# Tiny models gain nothing from a second thread, and lose much if the cores are busy.
torch.set_num_threads(1)

optuna.logging.set_verbosity(optuna.logging.ERROR)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that simulate CUDA devices, and that name another interpreter."""
    parser.addoption(
        "--simulate-cuda",
        action="store_true",
        help="run the tests marked gpu on simulated CUDA devices, see cuda_simulation",
    )
    parser.addoption("--slim", metavar="PYTHON", help="the interpreter with llmsearch_optuna_slim, see test_slim")


def pytest_configure(config: pytest.Config) -> None:
    """Simulate CUDA devices before any test module is imported."""
    if config.getoption("--simulate-cuda"):
        import cuda_simulation  # noqa: PLC0415

        cuda_simulation.install()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave tests of pages in a browser, and all but every n-th parameter of `sampled(n)` tests, to the full tier."""
    seen: Counter[str] = Counter()
    for item in items:
        sampled = item.get_closest_marker("sampled")
        if sampled is not None:
            test = item.nodeid.partition("[")[0]
            if seen[test] % sampled.args[0]:
                item.add_marker(pytest.mark.full)
            seen[test] += 1
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.full)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A scorer that failed is called again without a pause."""
    monkeypatch.setattr("llmsearch_optuna.metrics.calls.FIRST_PAUSE_S", 0.0)


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """The CPU and, if there is one, a CUDA device, which may be simulated."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    return torch.device(request.param)


@pytest.fixture(scope="module")
def storage() -> RDBStorage:
    """A database in memory for all tests of a module, each with a study of another name."""
    return open_storage(None)


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlalchemy.URL]:
    """A real PostgreSQL server from the wheel `pgserver`, which runs until the last test has ended."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it warns if XDG_RUNTIME_DIR is not set
            import pgserver  # noqa: PLC0415
    except ImportError as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    server = pgserver.get_server(tmp_path_factory.mktemp("postgresql"))  # type: ignore[attr-defined]
    try:
        yield sqlalchemy.make_url(server.get_uri()).set(drivername="postgresql+psycopg")
    finally:
        server.cleanup()


@pytest.fixture
def server_url(postgresql: sqlalchemy.URL) -> Iterator[str]:
    """The URL of an empty database on that server."""
    name = f"test_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(postgresql, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    opened: list[Any] = []

    def note(connection: object, _record: object) -> None:
        opened.append(connection)

    sqlalchemy.event.listen(sqlalchemy.Pool, "connect", note)
    yield postgresql.set(database=name).render_as_string(hide_password=False)
    sqlalchemy.event.remove(sqlalchemy.Pool, "connect", note)
    for connection in opened:  # Optuna's storages are never closed, and psycopg warns of what is left open
        connection.close()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeServer]:
    """An OpenAI-compatible server. The client does not wait between attempts."""
    monkeypatch.setattr("llmsearch_optuna.engine.http.client._FIRST_DELAY_S", 0.004)
    fake = FakeServer()
    yield fake
    fake.close()


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeOllama]:
    """An Ollama server. The client does not wait between attempts."""
    monkeypatch.setattr("llmsearch_optuna.engine.http.client._FIRST_DELAY_S", 0.004)
    fake = FakeOllama()
    yield fake
    fake.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium. Tests are skipped if it is not installed (Debian's package `chromium`)."""
    path = chromium_path()
    if path is None:
        pytest.skip("no Chromium: install the package `chromium`")
    with launch(path) as browser:
        yield browser


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """Write synthetic studies, each plan once: ``(plan) -> study and storage``."""
    studies: dict[Plan, tuple[optuna.Study, RDBStorage]] = {}

    def of(plan: Plan | None = None) -> tuple[optuna.Study, RDBStorage]:
        plan = plan or Plan()
        if plan not in studies:
            studies[plan] = write_study(tmp_path_factory.mktemp("written") / "x.db", plan)
        return studies[plan]

    return of

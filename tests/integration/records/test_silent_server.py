"""A Postgres that is reached and says nothing any more, as one whose machine has gone, is not waited for long."""

import socket

import pytest

from aie.errors import StoreError
from aie.records import MemoryKeys, engines, open_store


def test_a_server_that_never_speaks_is_an_error_and_no_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """It accepts connections; the driver alone would wait for two minutes, the system for ever."""
    monkeypatch.setitem(engines._SILENT, "connect_timeout", 1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(StoreError, match="timeout"):
            open_store(f"postgresql://user@127.0.0.1:{port}/aie", keys=MemoryKeys())


@pytest.mark.postgres
def test_reads_and_writes_give_a_silent_server_up_and_the_url_says_when(postgres_url: str) -> None:
    mark = "&" if "?" in postgres_url else "?"
    for url, wanted in ((postgres_url, "10000"), (f"{postgres_url}{mark}tcp_user_timeout=2500", "2500")):
        for engine in engines.open_engines(url, create=True):
            with engine.connect() as connection:
                told = connection.connection.driver_connection.info.get_parameters()  # type: ignore[union-attr]
            engine.dispose()
            assert told["tcp_user_timeout"] == wanted
            assert (told["connect_timeout"], told["keepalives_idle"]) == ("5", "5")

"""An endpoint is asked as the catalog says, or not at all."""

import pytest

from aie.errors import Failure
from aie.models import CallFailed, Endpoint
from aie.models.providers.endpoints import check_endpoint, proxy_for

URL = "https://models.example/v1"


@pytest.mark.parametrize(
    "url",
    [
        "models.example/v1",
        "ftp://models.example",
        "https://",
        "http://[::1",
        "http://:",
        "http://a:99999/v1",
        "https://models.example/v1\n",
        "https://user:secretpw@models.example/v1",
        "https://a b/",
    ],
)
def test_an_address_that_is_none_is_a_refusal_that_does_not_tell_it(url):
    """It stands in a variable of the environment, and may hold a secret."""
    with pytest.raises(CallFailed, match="nothing was asked") as caught:
        check_endpoint(Endpoint(url=url, key="k"))
    assert (caught.value.failure, caught.value.billed) == (Failure.PROVIDER_REFUSED, False)
    assert "secretpw" not in str(caught.value)


@pytest.mark.parametrize("key", ["sk-1\n", "sk 1", "schlüssel", "a\r\nX-Evil: yes"])
def test_a_key_that_cannot_be_sent_is_a_refusal_that_does_not_tell_it(key):
    """A line break at the end of a secret is a common mistake."""
    with pytest.raises(CallFailed, match="the key") as caught:
        check_endpoint(Endpoint(url=URL, key=key))
    assert key not in str(caught.value)


@pytest.mark.parametrize("url", [URL, "http://127.0.0.1:8080/v1", "http://[::1]:8080/v1"])
def test_other_endpoints_pass(url):
    """With a key and without."""
    check_endpoint(Endpoint(url=url))
    check_endpoint(Endpoint(url=url, key="sk-1"))


@pytest.fixture
def proxied(monkeypatch):
    """Let the environment name proxies for everything."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "proxy.example:3128")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        (URL, "http://proxy.example:3128"),
        ("http://models.example/v1", None),
        ("https://127.0.0.1/v1", None),
        ("https://localhost/v1", None),
    ],
)
def test_a_proxy_of_the_environment_leads_to_encrypted_places_alone(proxied, url, proxy):
    """It would read the rest."""
    assert proxy_for(url) == proxy


def test_the_environment_may_take_places_out(proxied, monkeypatch):
    """As everywhere."""
    monkeypatch.setenv("no_proxy", "models.example")
    assert proxy_for(URL) is None

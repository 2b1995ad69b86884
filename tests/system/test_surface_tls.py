"""API-02: the operator's surface over TLS, and at another address than this machine's own."""

from __future__ import annotations

import datetime
import ipaddress
import json
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.system.surface_kit import FULL, desk

pytestmark = [pytest.mark.system, pytest.mark.timeout(90)]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A certificate that nobody has signed but itself, of 127.0.0.1, and its key."""
    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return files


def asked(url: str, trusted: Path | None, token: str = FULL) -> int:
    """The status of a request over TLS that believes *trusted* alone."""
    context = ssl.create_default_context(cafile=None if trusted is None else str(trusted))
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


def test_api_02_the_surface_speaks_tls_and_nothing_else(pair: tuple[Path, Path], tmp_path: Path) -> None:
    with desk(tmp_path, f"api.tls_cert={pair[0]}", f"api.tls_key={pair[1]}", trusted=pair[0]) as found:
        assert found.url.startswith("https://127.0.0.1:")
        assert asked(f"{found.url}/consumers", pair[0]) == 200
        assert asked(f"{found.url}/consumers", pair[0], "nobodys-token") == 401
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            asked(f"{found.url}/consumers", None)
        at = urlsplit(found.url)
        with socket.create_connection((at.hostname or "", at.port or 0), timeout=10) as plain:
            plain.sendall(b"GET /consumers HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer " + FULL.encode() + b"\r\n\r\n")
            told = plain.recv(4096)
        assert b"200" not in told
        # An operator's command believes the certificate of the configuration it is started with.
        sets = ("--set", f"api.tls_cert={pair[0]}", "--set", f"api.tls_key={pair[1]}")
        rows = json.loads(found.ctl("ctl", "providers", "list", "--json", *sets).stdout)["providers"]
        assert {row["name"] for row in rows} == {"binance", "kraken", "second"}
        assert "CERTIFICATE_VERIFY_FAILED" in found.ctl("ctl", "providers", "list", code=4).stderr
        assert found.ask("POST", "/shutdown", {}).status == 202
        out, errors = found.process.communicate(timeout=30)
        assert found.process.returncode == 0, errors
        assert json.loads(out)["balanced"]


def test_api_02_with_a_token_and_tls_another_address_is_served(pair: tuple[Path, Path], tmp_path: Path) -> None:
    sets = ("api.host=0.0.0.0", f"api.tls_cert={pair[0]}", f"api.tls_key={pair[1]}")
    with desk(tmp_path, *sets, trusted=pair[0]) as found:
        url = f"https://127.0.0.1:{urlsplit(found.url).port}"
        assert asked(f"{url}/consumers", pair[0]) == 200
        assert asked(f"{url}/consumers", pair[0], "") == 401

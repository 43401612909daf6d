"""Real nginx and Caddy running the recipes of deploy/, with nothing changed but addresses, host and certificate."""

import datetime as dt
import ipaddress
import shutil
import socket
import ssl
import subprocess
import sysconfig
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from harness.edge_gateway import start, stop
from harness.waiting import wait_until

DEPLOY_DIR = Path(__file__).parents[2] / "deploy"
_NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") or "nginx"
_CADDY = shutil.which("caddy", path=sysconfig.get_path("scripts")) or "caddy"


class Certificate:
    """A certificate for localhost that signs itself, in `directory`."""

    def __init__(self, directory: Path) -> None:
        self.path, self.key_path = directory / "localhost.pem", directory / "localhost.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = dt.datetime.now(dt.UTC)
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30))
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        self.key_path.write_bytes(key.private_bytes(*pem))
        self.trusting = ssl.create_default_context(cafile=str(self.path))


class Proxy:
    """A running proxy; `url` is where browsers find it."""

    def __init__(
        self,
        name: str,
        port: int,
        directory: Path,
        argv: list[str],
        *,
        tls: ssl.SSLContext,
        env: dict[str, str] | None = None,
    ):
        self.name = name
        self.port = port
        self.tls = tls
        self.url = f"https://localhost:{port}"
        self.directory = directory
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] = start(argv, self._log, env=env)
        wait_until(self._answers, f"{name} to listen:\n{self._log.read_text()}")

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"{self.name} did not start:\n{self.log()}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def log(self) -> str:
        """Everything it has logged."""
        return self._log.read_text(errors="replace")

    def close(self) -> None:
        """Stop it and remove its files."""
        stop(self._process)
        shutil.rmtree(self.directory)


def start_nginx(certificate: Certificate, gateway: str, website: str, *changes: tuple[str, str]) -> Proxy:
    """The recipe of nginx; `gateway` and `website` are host:port. `changes` are made to the files besides."""
    port = _free_port()
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    shutil.copytree(DEPLOY_DIR / "nginx", directory / "conf", dirs_exist_ok=True)
    replacements = [
        ("server 127.0.0.1:8400;", f"server {gateway};"),
        ("server 127.0.0.1:8000;", f"server {website};"),
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("server_name www.example.com;", "server_name localhost;"),
        ("/etc/ssl/certs/www.example.com.pem", str(certificate.path)),
        ("/etc/ssl/private/www.example.com.key", str(certificate.key_path)),
        *changes,
    ]
    _replace(sorted((directory / "conf").rglob("*.conf")), replacements)
    _write_main(directory, "include latchstring.conf; include website.conf;")
    return Proxy("nginx", port, directory, _nginx_argv(directory), tls=certificate.trusting)


def start_cache(certificate: Certificate, edge: Proxy) -> Proxy:
    """A careless nginx cache before an edge: it stores answers that set cookies, if their headers let it."""
    port = _free_port()
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    (directory / "conf").mkdir()
    _write_main(
        directory,
        f"""
        proxy_cache_path {directory}/cache keys_zone=pages:1m inactive=10m use_temp_path=off;
        server {{
            listen 127.0.0.1:{port} ssl;
            ssl_certificate {certificate.path};
            ssl_certificate_key {certificate.key_path};
            location / {{
                proxy_pass https://127.0.0.1:{edge.port};
                proxy_ssl_server_name on;
                proxy_ssl_name localhost;
                proxy_set_header Host localhost:{edge.port};
                proxy_cache pages;
                proxy_cache_key $request_uri;
                proxy_ignore_headers Set-Cookie Vary;
                add_header X-Cache-Status $upstream_cache_status always;
            }}
        }}
        """,
    )
    return Proxy("cache", port, directory, _nginx_argv(directory), tls=certificate.trusting)


def start_caddy(certificate: Certificate, gateway: str, website: str, *changes: tuple[str, str]) -> Proxy:
    """The recipe of Caddy; see start_nginx."""
    port = _free_port()
    directory = Path(tempfile.mkdtemp(prefix="latch-"))
    recipe = directory / "Caddyfile"
    shutil.copy(DEPLOY_DIR / "caddy" / "Caddyfile", recipe)
    own = f"admin off\n\tpersist_config off\n\tauto_https disable_redirects\n\tstorage file_system {directory}/storage"
    host = f"https://localhost:{port} {{\n\tbind 127.0.0.1\n\ttls {certificate.path} {certificate.key_path}"
    # HTTP/3 would open a UDP port.
    servers = "\tservers {\n\t\tprotocols h1 h2\n"
    replacements = [
        ("www.example.com {", host),
        ("https:// {", f"https://:{port} {{\n\tbind 127.0.0.1"),
        ("{\n\tlog {", f"{{\n\t{own}\n\tlog {{"),
        ("\tservers {\n", servers),
    ]
    _replace([recipe], [*replacements, *changes])
    argv = [_CADDY, "run", "--config", str(recipe), "--adapter", "caddyfile"]
    addresses = {"LATCH_GATEWAY": gateway, "LATCH_WEBSITE": website}
    return Proxy("caddy", port, directory, argv, tls=certificate.trusting, env=addresses)


#: How each recipe is started.
STARTERS = {"nginx": start_nginx, "caddy": start_caddy}


def _replace(files: list[Path], replacements: list[tuple[str, str]]) -> None:
    texts = {file: file.read_text() for file in files}
    for old, new in replacements:
        assert any(old in text for text in texts.values()), f"the recipe no longer says {old!r}"
        texts = {file: text.replace(old, new) for file, text in texts.items()}
    for file, text in texts.items():
        file.write_text(text)


def _write_main(directory: Path, body: str) -> None:
    # Run as root (in a container), the workers must still reach the files of this test.
    user = "user root;" if Path("/proc/self").stat().st_uid == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {directory}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (directory / "conf" / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {directory}/pid; error_log stderr warn; {user}\n"
        f"events {{ worker_connections 512; }}\nhttp {{ access_log off; {temporary}\n{body}\n}}\n"
    )


def _nginx_argv(directory: Path) -> list[str]:
    return [_NGINX, "-p", str(directory), "-c", str(directory / "conf" / "nginx.conf"), "-e", "stderr"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""Owns a certificate authority made on the spot: certificates for servers on loopback and for clients, as PEM files."""

import datetime as dt
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """A CA; `ca` is its certificate, for clients to trust."""

    def __init__(self, folder, name="an internal CA"):
        self._folder, self._key, self._name = folder, ec.generate_private_key(ec.SECP256R1()), _named(name)
        self.ca = folder / f"{name.replace(' ', '-')}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        usage = x509.KeyUsage(True, *[False] * 4, True, True, False, False)  # noqa: FBT003 - signs, certificates and lists
        self._write(self.ca, self._name, self._key, (constraints, usage))

    def issue(self, name="localhost"):
        """A certificate of this name, and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        cert, private = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        self._write(cert, _named(name), key, (x509.SubjectAlternativeName([x509.DNSName(name)]),))
        private.write_bytes(_private(key))
        return cert, private

    def server(self, *, wants_certificate=False):
        """The context of a server at localhost, which may require a client certificate of this CA."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.ca if wants_certificate else None)
        context.load_cert_chain(*self.issue())
        if wants_certificate:
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _write(self, file, subject, key, extensions):
        now = dt.datetime.now(dt.UTC)
        serial = x509.random_serial_number()
        made = x509.CertificateBuilder(self._name, subject, key.public_key(), serial, now - DAY, now + DAY)
        identifiers = (
            x509.SubjectKeyIdentifier.from_public_key(key.public_key()),
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
        )
        for extension in (*extensions, *identifiers):
            made = made.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        file.write_bytes(made.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


def _named(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _private(key, password=None):
    how = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def with_pass_phrase(file):
    """The key in `file`, encrypted."""
    return _private(serialization.load_pem_private_key(file.read_bytes(), None), b"canary-pass-phrase")

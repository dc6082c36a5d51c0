"""Content Credentials (C2PA): signed provenance that shows whether a file was changed since, through c2pa-python.

Without that package nothing is signed, and XMP and the visible label remain. The signature is made with the user's own
certificate (`ADAAT_C2PA_CERTIFICATE` and `ADAAT_C2PA_KEY`, PEM files), else with one that is made for this process and
forgotten: then it proves that the file is unchanged, but not who signed it.
"""

import datetime
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .xmp import SOURCE_TYPE, tool_name


CERTIFICATE, KEY = "ADAAT_C2PA_CERTIFICATE", "ADAAT_C2PA_KEY"
SIGNED_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".mp4")
VALID_DAYS = 3650


class CredentialsError(ValueError):
    """Content Credentials cannot be made or read; the message says why."""


@dataclass(frozen=True)
class Credentials:
    """What a file's Content Credentials say.

    Args:
        state (`str`): `"Trusted"` (known signer), `"Valid"` (unchanged since it was signed) or `"Invalid"`.
        tool (`str`): What made the file.
        signer (`str`): Name in the certificate.
        source_type (`str`, *optional*): Last part of the `digitalSourceType` of its actions.
    """

    state: str
    tool: str
    signer: str
    source_type: str | None


def can_sign() -> bool:
    """Whether c2pa-python is installed."""
    return find_spec("c2pa") is not None and find_spec("cryptography") is not None


def sign_file(source: Path, signed: Path) -> None:
    """Write a signed copy of a file.

    Raises:
        CredentialsError: if the certificate cannot be used, or the copy cannot be written.
    """
    import c2pa

    try:
        context = c2pa.Context(c2pa.Settings.from_dict({"builder": {"thumbnail": {"enabled": False}}}))
        with c2pa.Builder(_manifest(source.suffix), context) as builder:
            builder.sign_file(source, signed, _signer())
    except (c2pa.C2paError, OSError) as error:
        raise CredentialsError(f"{str(source)!r} cannot be given Content Credentials: {error}.") from error


def read_credentials(path: Path) -> Credentials | None:
    """The Content Credentials of a file; `None` if it has none, is of another kind, or c2pa-python is not installed."""
    if not can_sign() or path.suffix.lower() not in SIGNED_SUFFIXES:
        return None
    import c2pa

    try:
        reader = c2pa.Reader.try_create(path)
    except (c2pa.C2paError, OSError):
        return None
    if reader is None:
        return None
    with reader:
        stored = json.loads(reader.json())
        state = str(reader.get_validation_state())
    manifest = stored.get("manifests", {}).get(stored.get("active_manifest"), {})
    tools = [f"{tool.get('name', '')} {tool.get('version', '')}" for tool in manifest.get("claim_generator_info", [])]
    return Credentials(
        state,
        ", ".join(tool.strip() for tool in tools),
        str(manifest.get("signature_info", {}).get("common_name", "")),
        _source_type(manifest),
    )


def _source_type(manifest: dict[str, Any]) -> str | None:
    for assertion in manifest.get("assertions", []):
        for action in (assertion.get("data") or {}).get("actions", []) if "actions" in assertion["label"] else []:
            if action.get("digitalSourceType"):
                return str(action["digitalSourceType"]).rsplit("/", 1)[-1]
    return None


def _manifest(suffix: str) -> dict[str, Any]:
    name, _, version = tool_name().partition(" ")
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": {"name": name}}
    return {
        "claim_generator_info": [{"name": name, "version": version or "unknown"}],
        "title": f"synthetic{suffix}",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [action]}}],
    }


def _signer() -> Any:
    import c2pa

    chain, key = _given_certificate() or _own_certificate()
    return c2pa.Signer.from_info(c2pa.C2paSignerInfo(b"es256", chain, key, None))


def _given_certificate() -> tuple[bytes, bytes] | None:
    paths = [os.environ.get(name) for name in (CERTIFICATE, KEY)]
    if not any(paths):
        return None
    for name, path in zip((CERTIFICATE, KEY), paths, strict=True):
        if not path or not Path(path).is_file():
            raise CredentialsError(f"{name} is {path!r}, expected a PEM file (both it and its partner must be set).")
    return Path(str(paths[0])).read_bytes(), Path(str(paths[1])).read_bytes()


@lru_cache(maxsize=1)
def _own_certificate() -> tuple[bytes, bytes]:
    """A certificate chain and key of this process: an authority of its own (C2PA refuses self-signed ones) and its child."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer, subject = _name("adaat_hf local authority"), _name("adaat_hf (self-made)")
    parent_id = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
    parent = (
        _certificate(issuer, issuer, authority.public_key())
        .add_extension(x509.BasicConstraints(True, 0), True)
        .add_extension(_usage(signing_certificates=True), True)
        .add_extension(parent_id, False)
        .sign(authority, hashes.SHA256())
    )
    child = (
        _certificate(subject, issuer, key.public_key())
        .add_extension(x509.BasicConstraints(False, None), True)
        .add_extension(_usage(signing_certificates=False), True)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(parent_id), False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        .sign(authority, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return child.public_bytes(pem) + parent.public_bytes(pem), private


def _name(common: str) -> Any:
    from cryptography import x509

    attributes = ((x509.NameOID.COMMON_NAME, common), (x509.NameOID.ORGANIZATION_NAME, "self-made, not verified"))
    return x509.Name([x509.NameAttribute(*attribute) for attribute in attributes])


def _certificate(subject: Any, issuer: Any, public_key: Any) -> Any:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
    )


def _usage(signing_certificates: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signing_certificates, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signing_certificates, crl_sign=signing_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip

"""Files of TLS, which are loaded once at the start, so that a wrong one is named by its parameter."""

import ssl


def tls_file_fault(path: str, *, certificate: bool = False, key: str | None = None, password: str = "") -> str | None:
    """Return why a file of authorities, or a certificate with its key, cannot be used; None if it can."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        with open(path, "rb"):
            pass
        if certificate:
            context.load_cert_chain(path, key, password)
        else:
            context.load_verify_locations(path)
    except (OSError, ValueError) as error:  # OSError: also ssl.SSLError
        return str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    return None

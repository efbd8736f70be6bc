"""Keys and JSON Web Tokens for tests, by the openssl program."""
import base64
import json
import os
import re
import subprocess


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Key:
    """A private key of a kind ("RSA" or "EC") with its public JWK."""

    def __init__(self, folder, kid, kind="RSA"):
        self.kid, self.kind = kid, kind
        self.path = os.path.join(folder, kid + ".pem")
        options = ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if kind == "RSA" else ["EC", "-pkeyopt",
                                                                                    "ec_paramgen_curve:P-256"]
        self._run("genpkey", "-algorithm", *options, "-out", self.path)
        if kind == "RSA":
            modulus = self._run("rsa", "-in", self.path, "-noout", "-modulus").decode().strip().split("=")[1]
            self.jwk = {"kty": "RSA", "kid": kid, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        else:
            text = self._run("ec", "-in", self.path, "-noout", "-text", "-conv_form", "uncompressed").decode()
            point = bytes.fromhex(re.search(r"pub:\s*([0-9a-f:\s]+)", text)[1].replace(":", "").replace("\n", "").replace(
                " ", ""))
            self.jwk = {"kty": "EC", "crv": "P-256", "kid": kid, "x": b64(point[1:33]), "y": b64(point[33:65])}

    @staticmethod
    def _run(*args, data=None):
        return subprocess.run(["openssl", *args], input=data, check=True, capture_output=True).stdout

    def token(self, claims, algorithm=None, **header):
        algorithm = algorithm or {"RSA": "RS256", "EC": "ES256"}[self.kind]
        text = ".".join(b64(json.dumps(part).encode()) for part in ({"alg": algorithm, "kid": self.kid, **header}, claims))
        pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:-1"] if algorithm[:2] == "PS" else []
        signature = self._run("dgst", "-sha" + algorithm[2:], "-sign", self.path, *pss, data=text.encode())
        if self.kind == "EC":  # DER: a sequence of two integers -> r and s side by side.
            first = signature[3]
            r, s = signature[4:4 + first], signature[6 + first:]
            signature = r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0")
        return text + "." + b64(signature)


def jwks(*keys):
    return json.dumps({"keys": [key.jwk for key in keys]})

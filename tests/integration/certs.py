"""A certificate authority for tests, by the openssl program: any key, names, times and uses."""
import os
import subprocess
import tempfile

CONFIG = """
[ca]
default_ca = here
[here]
dir = {dir}
new_certs_dir = {dir}
database = {dir}/index
serial = {dir}/serial
crlnumber = {dir}/crlnumber
default_md = sha256
policy = any
default_crl_days = 2
unique_subject = no
copy_extensions = none
[any]
commonName = optional
organizationName = optional
[req]
distinguished_name = req
"""
KEYS = {"p256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        "p384": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"],
        "p521": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-521"],
        "k1": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp256k1"],
        "rsa1024": ["-newkey", "rsa:1024"], "rsa2048": ["-newkey", "rsa:2048"], "rsa4096": ["-newkey", "rsa:4096"],
        "ed25519": ["-newkey", "ed25519"]}


class Authority:
    """A root (or, with `parent`, an intermediate) in a folder of its own; PEM files lie in `dir`."""

    def __init__(self, name="root", parent=None):
        self.folder = tempfile.TemporaryDirectory(prefix="pinnace-ca-")
        self.dir, self.name, self.parent = self.folder.name, name, parent
        for file, text in (("index", ""), ("serial", "1000\n"), ("crlnumber", "01\n"),
                           ("config", CONFIG.format(dir=self.dir))):
            with open(self.path(file), "w") as out:
                out.write(text)
        if parent is None:
            self.run("req", "-x509", *KEYS["p256"], "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "3",
                     "-subj", "/O=" + name)
        else:
            chain, key = parent.issue(name, use="basicConstraints=critical,CA:TRUE")
            os.symlink(chain, self.path("ca.pem"))
            os.symlink(key, self.path("ca.key"))

    def path(self, file):
        return os.path.join(self.dir, file)

    def run(self, *args, **more):
        return subprocess.run(["openssl", *args], cwd=self.dir, check=True, capture_output=True, **more)

    def issue(self, name, san="", key="p256", use="extendedKeyUsage=serverAuth,clientAuth",
              days=("20200101000000Z", "20400101000000Z"), chain=True):
        """(chain file, key file); with an intermediate its certificate follows the leaf's."""
        out, key_file = self.path(name + ".pem"), self.path(name + ".key")
        with open(self.path(name + ".ext"), "w") as file:
            file.write("[ext]\n" + (f"subjectAltName={san}\n" if san else "") + use + "\n")
        self.run("req", *KEYS[key], "-nodes", "-keyout", key_file, "-out", name + ".csr", "-subj", "/CN=" + name)
        self.run("ca", "-batch", "-notext", "-config", "config", "-in", name + ".csr", "-out", out, "-cert", "ca.pem",
                 "-keyfile", "ca.key", "-startdate", days[0], "-enddate", days[1], "-extfile", name + ".ext",
                 "-extensions", "ext")
        if self.parent is not None and chain:
            with open(self.path("ca.pem")) as more, open(out, "a") as file:
                file.write(more.read())
        return out, key_file

    def revoke(self, name):
        """Revokes a certificate; the newest revocation list's file."""
        self.run("ca", "-config", "config", "-cert", "ca.pem", "-keyfile", "ca.key", "-revoke", name + ".pem")
        return self.crl()

    def crl(self):
        self.run("ca", "-config", "config", "-cert", "ca.pem", "-keyfile", "ca.key", "-gencrl", "-out", "crl.pem")
        return self.path("crl.pem")

    def ocsp(self, name):
        """A DER file that says the certificate is good."""
        self.run("ocsp", "-issuer", "ca.pem", "-cert", name + ".pem", "-reqout", name + ".ocsp-request")
        self.run("ocsp", "-index", "index", "-CA", "ca.pem", "-rsigner", "ca.pem", "-rkey", "ca.key", "-reqin",
                 name + ".ocsp-request", "-respout", name + ".ocsp", "-ndays", "1")
        return self.path(name + ".ocsp")

    def close(self):
        self.folder.cleanup()


def self_signed(folder, name, san):
    out, key = os.path.join(folder, name + ".pem"), os.path.join(folder, name + ".key")
    subprocess.run(["openssl", "req", "-x509", *KEYS["p256"], "-nodes", "-keyout", key, "-out", out, "-days", "2",
                    "-subj", "/CN=" + name, "-addext", "subjectAltName=" + san], check=True, capture_output=True)
    return out, key


def certificate(pair, **more):
    """A TlsCertificate of two files."""
    return {"certificate_chain": {"filename": pair[0]}, "private_key": {"filename": pair[1]}, **more}

"""Our proto subset has the official API's names, numbers, types and labels (package xds-protos)."""
import importlib
import os
import subprocess
import sys
import tempfile
import unittest

SOURCE = os.environ["PINNACE_SOURCE"]
PYTHON = os.environ.get("PINNACE_VENV_PYTHON", os.path.join(os.environ["PINNACE_BUILD"], "venv/bin/python"))
PROTOS = os.path.join(SOURCE, "api/protos")


def differences(text_of=lambda path, text: text):
    """What of our files the official descriptors do not have; `text_of` may change a file first."""
    from google.protobuf import descriptor_pb2
    with tempfile.TemporaryDirectory() as folder:
        names = []
        for root, _, files in os.walk(PROTOS):
            for file in files:
                path = os.path.relpath(os.path.join(root, file), PROTOS)
                with open(os.path.join(PROTOS, path)) as ours:
                    text = text_of(path, ours.read())
                os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
                with open(os.path.join(folder, path), "w") as copy:
                    copy.write(text)
                # mesh/ is our own; the CA's service is not part of the package.
                if not path.startswith(("mesh/", "istio/")):
                    names.append(path)
        out = os.path.join(folder, "set")
        subprocess.run(["protoc", "-I", folder, "-I", "/usr/include", "--descriptor_set_out=" + out, *sorted(names)],
                       check=True)
        with open(out, "rb") as file:
            ours = descriptor_pb2.FileDescriptorSet.FromString(file.read())
    found = []
    for file in ours.file:
        official = descriptor_pb2.FileDescriptorProto()
        module = importlib.import_module(file.name[:-len(".proto")].replace("/", ".") + "_pb2")
        module.DESCRIPTOR.CopyToProto(official)
        compare_messages(file.name, file.message_type, official.message_type, found)
        compare_enums(file.name, file.enum_type, official.enum_type, found)
        for service in file.service:
            twin = named(official.service, service.name)
            for method in service.method:
                if twin is None or named(twin.method, method.name) is None:
                    found.append(f"{file.name}: {service.name}.{method.name}")
    return found


def named(items, name):
    return next((item for item in items if item.name == name), None)


def compare_messages(where, ours, official, found):
    for message in ours:
        path = f"{where}: {message.name}"
        twin = named(official, message.name)
        if twin is None:
            found.append(path)
            continue
        for field in message.field:
            other = named(twin.field, field.name)
            same = other is not None and all(
                getattr(field, key) == getattr(other, key) for key in ("number", "type", "label", "type_name"))
            if not same:
                found.append(f"{path}.{field.name}")
            elif field.HasField("oneof_index") and not field.proto3_optional:
                if (not other.HasField("oneof_index") or
                        message.oneof_decl[field.oneof_index].name != twin.oneof_decl[other.oneof_index].name):
                    found.append(f"{path}.{field.name} (oneof)")
        compare_messages(path, message.nested_type, twin.nested_type, found)
        compare_enums(path, message.enum_type, twin.enum_type, found)


def compare_enums(where, ours, official, found):
    for enum in ours:
        twin = named(official, enum.name)
        for value in enum.value:
            other = named(twin.value, value.name) if twin else None
            if other is None or other.number != value.number:
                found.append(f"{where}: {enum.name}.{value.name}")


class Descriptors(unittest.TestCase):
    def test_all_that_we_have_is_official(self):
        self.assertEqual(differences(), [])

    def test_a_wrong_number_would_be_found(self):
        def spoil(path, text):
            if not path.endswith("cluster/v3/circuit_breaker.proto"):
                return text
            self.assertIn("max_retries = 5;", text)
            return text.replace("max_retries = 5;", "max_retries = 55;")
        self.assertEqual([line for line in differences(spoil) if "max_retries" not in line], [])
        self.assertNotEqual(differences(spoil), [])


if __name__ == "__main__":
    if "INSIDE" not in os.environ:
        have = os.path.exists(PYTHON) and subprocess.run(
            [PYTHON, "-c", "import envoy.config.core.v3.base_pb2"], capture_output=True).returncode == 0
        if not have:
            print("SKIPPED: the Python package xds-protos is not installed (tools/test installs it where PyPI is reached)")
            sys.exit(77)
        os.execve(PYTHON, [PYTHON, "-B", os.path.abspath(__file__), "-v"], {**os.environ, "INSIDE": "1"})
    unittest.main()

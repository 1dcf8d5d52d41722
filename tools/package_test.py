#!/usr/bin/env python3
"""What packages are made of, without a build: archives' bytes, the launcher, and the files that a pipeline names.

The packages themselves are tried by tests/packages.py, with run.py --packages.
"""
import hashlib
import io
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import unittest
import zipfile

import bundle
import package
import package_image


class PackageTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="millrace-package-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def write(self, name, text="", mode=0o644):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def tree(self, when):
        for name in ("b/z", "b/a", "c"):
            os.utime(self.write(name, name), (when, when))
        self.write("run", "run", 0o700)
        (self.folder / "link").unlink(missing_ok=True)
        (self.folder / "link").symlink_to("b/a")

    def test_archives_depend_on_what_is_in_them_alone(self):
        digests = set()
        for when in (1e9, 1.7e9):
            self.tree(when)
            with tempfile.TemporaryDirectory() as elsewhere:
                target = pathlib.Path(elsewhere) / "a.zip"
                bundle.write_zip(self.folder, target)
                digests.add((hashlib.sha256(target.read_bytes()).digest(),
                             hashlib.sha256(bundle.gzipped(bundle.tar_bytes(self.folder, "x/"))).digest()))
        self.assertEqual(len(digests), 1)

    def test_a_tar_has_names_modes_and_links(self):
        self.tree(1e9)
        with tarfile.open(fileobj=io.BytesIO(bundle.tar_bytes(self.folder, "x/"))) as archive:
            self.assertEqual([(entry.name, oct(entry.mode), entry.linkname, entry.uid) for entry in archive],
                             [("x/b", "0o755", "", 0), ("x/b/a", "0o644", "", 0), ("x/b/z", "0o644", "", 0), ("x/c", "0o644", "", 0),
                              ("x/link", "0o777", "b/a", 0), ("x/run", "0o755", "", 0)])

    def test_a_zip_keeps_what_may_be_run(self):
        self.tree(1e9)
        with tempfile.TemporaryDirectory() as elsewhere:
            bundle.write_zip(self.folder, pathlib.Path(elsewhere) / "a.zip")
            with zipfile.ZipFile(pathlib.Path(elsewhere) / "a.zip") as archive:
                self.assertEqual(oct(archive.getinfo("run").external_attr >> 16), "0o100755")
                self.assertEqual(oct(archive.getinfo("c").external_attr >> 16), "0o100644")

    def test_the_files_that_a_pipeline_names(self):
        for name in ("data/customers.csv", "two words.csv", "orders.proto", "not_named.csv"):
            self.write(name)
        pipeline = self.write("p.yaml", 'lookups:\n  a: {from: data/customers.csv, key: id}\n  b: {from: "two words.csv"}\n'
                                        "  c: {from: s3://bucket/data/customers.csv}\nschema: {file: orders.proto} # p.yaml\n")
        found = [path.relative_to(self.folder).as_posix() for path in package.named_files(pipeline)]
        self.assertEqual(found, ["data/customers.csv", "orders.proto", "two words.csv"])

    def test_a_file_outside_of_the_pipelines_folder_is_refused(self):
        self.write("other.csv")
        pipeline = self.write("inside/p.yaml", "lookups: {a: {from: ../other.csv, key: id}}\n")
        with self.assertRaisesRegex(bundle.Refused, "names ../other.csv, which is outside of its folder"):
            package.named_files(pipeline)

    def test_an_image_has_all_that_its_manifest_names(self):
        (self.folder / "root" / "var/lib/millrace").mkdir(parents=True)
        self.write("root/tmp/x")
        package_image.write(self.folder / "root", self.folder / "image.tar")
        first = (self.folder / "image.tar").read_bytes()
        package_image.write(self.folder / "root", self.folder / "image.tar")
        self.assertEqual(first, (self.folder / "image.tar").read_bytes())
        with tarfile.open(self.folder / "image.tar") as archive:
            for name in archive.getnames():
                if name.startswith("blobs/"):
                    self.assertEqual(hashlib.sha256(archive.extractfile(name).read()).hexdigest(), name.split("/")[-1])
            names = archive.getnames()
        self.assertEqual(len([name for name in names if name.startswith("blobs/sha256/")]), 3)
        self.assertLessEqual({"index.json", "manifest.json", "oci-layout"}, set(names))

    @unittest.skipUnless(shutil.which("cc"), "no C compiler")
    def test_the_launcher_starts_loader_and_program_beside_it_from_anywhere(self):
        loader = self.write(f"lib/{bundle.LOADER}", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n", 0o755)
        bundle.put_launcher(self.folder / "bootstrap", "lib", "lambda")
        (self.folder / "elsewhere").symlink_to(self.folder / "bootstrap")
        told = subprocess.run([self.folder / "elsewhere", "a b", ""], capture_output=True, text=True, check=True, cwd="/").stdout
        place = self.folder.resolve() / "lib"
        self.assertEqual(told.split("\n")[:-1], ["--inhibit-cache", "--library-path", str(place), "--argv0", "millrace",
                                                 str(place / "millrace"), "lambda", "a b", ""])
        loader.unlink()
        failed = subprocess.run([self.folder / "bootstrap"], capture_output=True, text=True, check=False)
        self.assertEqual(failed.returncode, 127)
        self.assertIn("cannot be started: No such file", failed.stderr)


if __name__ == "__main__":
    unittest.main()

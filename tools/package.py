#!/usr/bin/env python3
"""Makes packages of the release build, in build/packages/. Called by ./mill package.

    package.py tarball                  for any Linux on x86-64: program and libraries in one folder
    package.py deb                      for Debian 12, with a systemd service
    package.py lambda [--pipeline FILE] a zip for AWS Lambda's provided.al2023, with the pipeline and the files that it names
    package.py image                    a container image, for docker load and podman load
    package.py image-root FOLDER        the files of that image, for a Dockerfile

MILLRACE=FILE names another program, MILLRACE_PACKAGES=FOLDER another place. The same program and libraries give the same bytes.
"""
import argparse
import os
import pathlib
import re
import shutil
import sys
import tempfile

import bundle
import package_deb
import package_image
from bundle import ROOT, Refused, megabytes

PACKAGES = pathlib.Path(os.environ.get("MILLRACE_PACKAGES") or ROOT / "build" / "packages")
EXAMPLES = ["orders", "sensors", "payments", "offers"]
# What AWS Lambda takes of all layers and code, unzipped, and of a zip that is uploaded directly.
LAMBDA_BYTES_MAX = 250 * 1024 * 1024
LAMBDA_UPLOAD_BYTES_MAX = 50 * 1024 * 1024


def tarball(_, scratch):
    name = f"millrace-{bundle.version()}-linux-x86_64"
    folder = scratch / name
    (folder / "bin").mkdir(parents=True)
    packages = bundle.put_program(folder / "lib" / "millrace")
    bundle.put_launcher(folder / "bin" / "millrace", "../lib/millrace")
    for example in EXAMPLES:
        bundle.put_tree(ROOT / "examples" / example, folder / "share" / "examples" / example)
    bundle.put_licences(folder / "share" / "licences", packages)
    shutil.copyfile(ROOT / "deploy" / "package" / "README", folder / "README")
    shutil.copyfile(ROOT / "deploy" / "systemd" / "millrace.service", folder / "share" / "millrace.service")
    target = PACKAGES / f"{name}.tar.gz"
    target.write_bytes(bundle.gzipped(bundle.tar_bytes(folder, f"{name}/")))
    return target, bundle.bytes_in(folder)


def named_files(pipeline):
    """The files beside a pipeline file that it names: each text in it that is the path of one, seen from its folder."""
    folder, text = pipeline.resolve().parent, pipeline.read_text()
    words = set(re.findall(r'"([^"\n]+)"|\'([^\'\n]+)\'|([^\s,\[\]{}"\'#]+)', text))
    found = []
    for word in sorted({word for group in words for word in group if word}):
        path = folder / word
        # A relative path of a file below the folder: what is elsewhere would not be there in Lambda either.
        if word.startswith(("/", "~")) or not path.is_file() or path.resolve() == pipeline.resolve():
            continue
        if not path.resolve().is_relative_to(folder):
            raise Refused(f"{pipeline} names {word}, which is outside of its folder: put it below {folder}")
        found.append(path)
    return found


def aws_lambda(options, scratch):
    folder = scratch / "lambda"
    packages = bundle.put_program(folder / "lib")
    bundle.put_launcher(folder / "bootstrap", "lib", "lambda")
    bundle.put_licences(folder / "licences", packages)
    if options.pipeline:
        if not options.pipeline.is_file():
            raise Refused(f"there is no file {options.pipeline}")
        shutil.copyfile(options.pipeline, folder / "pipeline.yaml")
        for path in named_files(options.pipeline):
            place = folder / path.relative_to(options.pipeline.resolve().parent)
            print(f"with {place.relative_to(folder)}")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)
    unzipped = bundle.bytes_in(folder)
    if unzipped > LAMBDA_BYTES_MAX:
        raise Refused(f"{megabytes(unzipped)} unzipped, and Lambda takes {megabytes(LAMBDA_BYTES_MAX)}: keep large lookups on S3 or "
                      "DynamoDB")
    target = PACKAGES / f"millrace-{bundle.version()}-lambda.zip"
    bundle.write_zip(folder, target)
    if target.stat().st_size > LAMBDA_UPLOAD_BYTES_MAX:
        print(f"above {megabytes(LAMBDA_UPLOAD_BYTES_MAX)} it is deployed from S3: aws lambda update-function-code --s3-bucket …")
    return target, unzipped


def deb(_, scratch):
    return package_deb.make(scratch, PACKAGES)


def image(_, scratch):
    root = scratch / "root"
    package_image.put_root(root)
    target = PACKAGES / f"millrace-{bundle.version()}-image.tar"
    package_image.write(root, target)
    return target, bundle.bytes_in(root)


def image_root(options, _):
    package_image.put_root(options.folder)
    return options.folder, bundle.bytes_in(options.folder)


def parsed():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for name, make in (("tarball", tarball), ("deb", deb), ("lambda", aws_lambda), ("image", image), ("image-root", image_root)):
        kind = kinds.add_parser(name)
        kind.set_defaults(make=make)
        if name == "lambda":
            kind.add_argument("--pipeline", type=pathlib.Path, metavar="FILE", help="becomes pipeline.yaml, with the files that it names")
        if name == "image-root":
            kind.add_argument("folder", type=pathlib.Path)
    return parser.parse_args()


def main():
    options = parsed()
    PACKAGES.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory(dir=PACKAGES) as scratch:
            target, unpacked = options.make(options, pathlib.Path(scratch))
    except Refused as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    size = f"{megabytes(target.stat().st_size)}, " if target.is_file() else ""
    print(f"{target}: {size}{megabytes(unpacked)} unpacked")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Tests written in Python, run by Debian's interpreter."""

def python_test(name, src, data = [], args = [], **kwargs):
    """A test that passes when `src` exits 0.

    Args:
      name: of the test
      src: the script; ends with tests.support.cases.main() to list its cases
      data: what it needs beside itself
      args: of the script
      **kwargs: as of sh_test
    """
    native.sh_test(
        name = name,
        srcs = ["//bazel:run_python.sh"],
        args = ["$(location %s)" % src] + args,
        data = [src, "//tests/support:cases.py"] + data,
        **kwargs
    )

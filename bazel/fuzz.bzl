"""Fuzz targets: one entry point, LLVMFuzzerTestOneInput, for two drivers."""

load("//bazel:copts.bzl", "COPTS")

def fuzz_target(name, srcs, deps, rounds, corpus):
    """Makes NAME_fuzzer for ./dev fuzz, and NAME_replay_test for ./dev test.

    Args:
      name: as in ./dev fuzz NAME
      srcs: with LLVMFuzzerTestOneInput
      deps: of srcs
      rounds: inputs that the test tries beside the corpus, about a second's
      corpus: the corpus, a list of files in one folder
    """
    native.cc_binary(
        name = name + "_fuzzer",
        srcs = srcs,
        copts = COPTS,
        # Only --config=fuzz has libFuzzer.
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
    native.cc_test(
        name = name + "_replay_test",
        size = "small",
        srcs = srcs,
        args = ["%d" % rounds] + ["$(location %s)" % file for file in corpus],
        copts = COPTS,
        data = corpus,
        # Images hide their symbols from other libraries.
        linkstatic = True,
        deps = deps + ["//driver-shim/fuzz:replay"],
    )

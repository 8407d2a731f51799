"""Turns one .proto file into C++ libraries."""

def cc_proto(name, src, deps = [], grpc = False, visibility = None):
    """Messages of `src` as :name; with grpc, its stubs as :name_grpc.

    Messages and stubs are apart so that a target that only reads a message
    does not compile gRPC's headers. Headers are included without the leading
    "proto/": that folder is the root of all .proto imports.

    Args:
      name: of the message library
      src: the .proto file, relative to //proto
      deps: message libraries that `src` imports, all made by this macro
      grpc: whether `src` has services
      visibility: of both libraries
    """
    stem = src[:-len(".proto")]
    native.filegroup(name = name + "_src", srcs = [src] + [d + "_src" for d in deps])
    native.genrule(
        name = name + "_gen",
        srcs = [":" + name + "_src"],
        outs = [stem + ".pb.h", stem + ".pb.cc"],
        cmd = "/usr/bin/protoc -Iproto --cpp_out=$(GENDIR)/proto proto/" + src,
    )
    native.cc_library(
        name = name,
        srcs = [stem + ".pb.cc"],
        hdrs = [stem + ".pb.h"],
        includes = ["."],
        visibility = visibility,
        deps = deps + ["//bazel/system:protobuf"],
    )
    if not grpc:
        return
    native.genrule(
        name = name + "_grpc_gen",
        srcs = [":" + name + "_src"],
        outs = [stem + ".grpc.pb.h", stem + ".grpc.pb.cc"],
        cmd = "/usr/bin/protoc -Iproto --grpc_out=$(GENDIR)/proto" +
              " --plugin=protoc-gen-grpc=/usr/bin/grpc_cpp_plugin proto/" + src,
    )
    native.cc_library(
        name = name + "_grpc",
        srcs = [stem + ".grpc.pb.cc"],
        hdrs = [stem + ".grpc.pb.h"],
        includes = ["."],
        visibility = visibility,
        deps = [":" + name, "//bazel/system:grpc"],
    )

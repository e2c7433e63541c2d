"""The libraries we use, under the labels of the Bazel Central Registry."""

load(":abseil.bzl", "debian_abseil")
load(":debian_package.bzl", "debian_library")

def libraries():
    debian_abseil(name = "abseil-cpp")
    debian_library(
        name = "boost.interprocess",
        headers = ["boost/interprocess/offset_ptr.hpp"],
        package = "libboost1.81-dev",
        targets = {"boost.interprocess": ["-lrt"]},
    )
    debian_library(
        name = "cli11",
        headers = ["CLI/CLI.hpp"],
        package = "libcli11-dev",
        targets = {"cli11": []},
    )
    debian_library(
        name = "google_benchmark",
        headers = ["benchmark/benchmark.h"],
        package = "libbenchmark-dev",
        targets = {
            "benchmark": ["-lbenchmark", "-pthread"],
            "benchmark_main": ["-lbenchmark_main", "-lbenchmark", "-pthread"],
        },
    )
    debian_library(
        name = "googletest",
        headers = ["gtest/gtest.h", "gmock/gmock.h"],
        package = "libgmock-dev",
        targets = {
            "gtest": ["-lgmock", "-lgtest", "-pthread"],
            # gmock's main also initialises gtest; gtest's leaves gmock's flags.
            "gtest_main": ["-lgmock_main", "-lgmock", "-lgtest", "-pthread"],
        },
    )
    debian_library(
        name = "libcbor",
        headers = ["cbor.h"],
        package = "libcbor-dev",
        targets = {"cbor": ["-lcbor"]},
    )
    debian_library(
        name = "nlohmann_json",
        headers = ["nlohmann/json.hpp"],
        package = "nlohmann-json3-dev",
        targets = {"json": []},
    )
    debian_library(
        name = "zeromq",
        headers = ["zmq.h"],
        package = "libzmq3-dev",
        targets = {"zmq": ["-lzmq"]},
    )

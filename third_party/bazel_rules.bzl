"""Bazel's own rule sets, from Debian's packages.

Bazel appends a suffix to every WORKSPACE that downloads what it does not find
by name. Naming each of those repositories here keeps the build offline.
"""

load(":debian_package.bzl", "require_path")

def _debian_rules_cc_impl(ctx):
    root = "/usr/share/bazel/rules/cc"
    require_path(ctx, root, "bazel-rules-cc")

    # Debian's rules_cc is newer than its Bazel and loads `use_cpp_toolchain`,
    # which that Bazel lacks. What the function would return is well known.
    patched = ["cc_flags_supplier.bzl", "compiler_flag.bzl"]
    for directory in ["", "cc", "cc/private", "cc/private/rules_impl"]:
        source = ctx.path(root + "/" + directory)
        for entry in source.readdir():
            target = (directory + "/" if directory else "") + entry.basename
            if entry.basename in patched:
                text = ctx.read(entry)
                text = text.replace(', "use_cpp_toolchain"', "")
                text = text.replace(
                    "use_cpp_toolchain()",
                    '["@bazel_tools//tools/cpp:toolchain_type"]',
                )
                ctx.file(target, text, executable = False)
            elif target not in ["cc", "cc/private", "cc/private/rules_impl"]:
                ctx.symlink(entry, target)

_debian_rules_cc = repository_rule(
    implementation = _debian_rules_cc_impl,
    local = True,
)

def _installed_rules_impl(ctx):
    require_path(ctx, ctx.attr.path, ctx.attr.package)
    for entry in ctx.path(ctx.attr.path).readdir():
        ctx.symlink(entry, entry.basename)

_installed_rules = repository_rule(
    implementation = _installed_rules_impl,
    attrs = {
        "package": attr.string(mandatory = True),
        "path": attr.string(mandatory = True),
    },
    local = True,
)

def _no_coverage_tools_impl(ctx):
    ctx.file("BUILD", """\
filegroup(
    name = "coverage_report_generator",
    visibility = ["//visibility:public"],
)
""")

# Every test depends on the coverage tools, even when nobody asks for coverage.
_no_coverage_tools = repository_rule(implementation = _no_coverage_tools_impl)

def bazel_rules():
    _debian_rules_cc(name = "rules_cc")
    _installed_rules(
        name = "rules_java",
        package = "bazel-rules-java",
        path = "/usr/share/bazel/rules/java",
    )
    _installed_rules(
        name = "platforms",
        package = "bazel-platforms",
        path = "/usr/share/bazel/tools/platforms",
    )
    _installed_rules(
        name = "bazel_skylib",
        package = "bazel-skylib",
        path = "/usr/share/bazel/tools/skylib",
    )
    _no_coverage_tools(name = "remote_coverage_tools")

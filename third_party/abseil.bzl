"""Abseil from Debian, with the labels Abseil's own build gives it."""

load(":debian_package.bzl", "library_dir", "require_path")

# Abseil's label below @abseil-cpp//absl → the pkg-config module of Debian.
_LABELS = {
    "algorithm:algorithm": "algorithm",
    "algorithm:container": "algorithm_container",
    "base:base": "base",
    "base:config": "config",
    "base:core_headers": "core_headers",
    "base:dynamic_annotations": "dynamic_annotations",
    "base:log_severity": "log_severity",
    "cleanup:cleanup": "cleanup",
    "container:btree": "btree",
    "container:fixed_array": "fixed_array",
    "container:flat_hash_map": "flat_hash_map",
    "container:flat_hash_set": "flat_hash_set",
    "container:inlined_vector": "inlined_vector",
    "container:node_hash_map": "node_hash_map",
    "container:node_hash_set": "node_hash_set",
    "debugging:failure_signal_handler": "failure_signal_handler",
    "debugging:stacktrace": "stacktrace",
    "debugging:symbolize": "symbolize",
    "functional:any_invocable": "any_invocable",
    "functional:bind_front": "bind_front",
    "functional:function_ref": "function_ref",
    "hash:hash": "hash",
    "memory:memory": "memory",
    "meta:type_traits": "type_traits",
    "numeric:bits": "bits",
    "numeric:int128": "int128",
    "random:bit_gen_ref": "random_bit_gen_ref",
    "random:distributions": "random_distributions",
    "random:random": "random_random",
    "random:seed_sequences": "random_seed_sequences",
    "status:status": "status",
    "status:statusor": "statusor",
    "strings:cord": "cord",
    "strings:str_format": "str_format",
    "strings:strings": "strings",
    "synchronization:synchronization": "synchronization",
    "time:time": "time",
    "types:any": "any",
    "types:compare": "compare",
    "types:optional": "optional",
    "types:span": "span",
    "types:variant": "variant",
    "utility:utility": "utility",
}

def _read_module(ctx, directory, module):
    """Returns (required modules, libraries to link) of absl_<module>.pc."""
    path = "%s/pkgconfig/absl_%s.pc" % (directory, module)
    require_path(ctx, path, "libabsl-dev")
    requires = []
    libs = []
    for line in ctx.read(path).split("\n"):
        if line.startswith("Requires:"):
            for item in line[len("Requires:"):].split(","):
                name = item.strip().split(" ")[0]
                if name.startswith("absl_"):
                    requires.append(name[len("absl_"):])
        elif line.startswith("Libs:"):
            libs = [word for word in line.split(" ") if word.startswith("-l")]
    return requires, libs

def _debian_abseil_impl(ctx):
    require_path(ctx, "/usr/include/absl/base/config.h", "libabsl-dev")
    directory = library_dir(ctx)

    # One target per module, with the module's own requirements: whoever uses
    # a header links what its inline code calls, and nothing twice.
    build = 'package(default_visibility = ["//absl:__subpackages__"])\n'
    wanted = {module: True for module in _LABELS.values()}
    done = {}
    for _ in range(100):  # Starlark has no while; the chain is far shorter.
        todo = [module for module in wanted if module not in done]
        if not todo:
            break
        for module in todo:
            requires, libs = _read_module(ctx, directory, module)
            done[module] = True
            wanted.update({name: True for name in requires})

            # Only what is really called: loading a library takes time at
            # every start of a process.
            linkopts = []
            if libs:
                linkopts = ["-Wl,--push-state,--as-needed"] + libs + ["-Wl,--pop-state"]
            build += "\ncc_library(\n    name = %r,\n    linkopts = %r,\n    deps = %r,\n)\n" % (
                module,
                linkopts,
                [":" + name for name in requires],
            )
    ctx.file("modules/BUILD", build, executable = False)

    packages = {}
    for label, module in _LABELS.items():
        package, name = label.split(":")
        packages.setdefault(package, []).append((name, module))
    for package, targets in packages.items():
        build = 'package(default_visibility = ["//visibility:public"])\n'
        for name, module in targets:
            build += "\nalias(\n    name = %r,\n    actual = %r,\n)\n" % (name, "//modules:" + module)
        ctx.file("absl/%s/BUILD" % package, build, executable = False)

debian_abseil = repository_rule(
    implementation = _debian_abseil_impl,
    local = True,
)

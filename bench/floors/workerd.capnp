# The floors on workerd, with objects stored in the same way as Keystead's. The benchmark copies this file and puts
# worker.js, made from worker.ts, beside the copy.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .floors),
    (name = "data", disk = (path = "objects", writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const floors :Workerd.Worker = (
  modules = [(name = "worker.js", esModule = embed "worker.js")],
  # The same as in Keystead's configuration.
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "OBJECTS", durableObjectNamespace = "Floor"),
    (name = "SLEEPERS", durableObjectNamespace = "Sleeper"),
  ],
  durableObjectNamespaces = [
    (className = "Floor", uniqueKey = "floor", enableSql = true),
    (className = "Sleeper", uniqueKey = "sleeper", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
);

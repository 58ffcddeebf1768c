# Four isolates of the Worker, and objects elsewhere that count the calls they get (../leases/counting-objects.js).
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "objects", worker = .objects),
    (name = "first", worker = .isolate),
    (name = "second", worker = .isolate),
    (name = "third", worker = .isolate),
    (name = "fourth", worker = .isolate),
    (name = "data", disk = (path = ".", writable = true)),
  ],
  sockets = [
    (name = "first", address = "127.0.0.1:0", http = (), service = "first"),
    (name = "second", address = "127.0.0.1:0", http = (), service = "second"),
    (name = "third", address = "127.0.0.1:0", http = (), service = "third"),
    (name = "fourth", address = "127.0.0.1:0", http = (), service = "fourth"),
    (name = "calls", address = "127.0.0.1:0", http = (), service = "objects"),
  ],
);

const objects :Workerd.Worker = (
  modules = [
    (name = "counting-objects.js", esModule = embed "../leases/counting-objects.js"),
    (name = "index.js", esModule = embed "../../../dist/index.js"),
  ],
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "TENANTS", durableObjectNamespace = "CountingTenant"),
    (name = "DIRECTORY", durableObjectNamespace = "Directory"),
  ],
  durableObjectNamespaces = [
    (className = "CountingTenant", uniqueKey = "keystead-tenant", enableSql = true),
    (className = "Directory", uniqueKey = "keystead-directory", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "data"),
);

const isolate :Workerd.Worker = (
  modules = [(name = "index.js", esModule = embed "../../../dist/index.js")],
  compatibilityDate = "2026-10-01",
  bindings = [
    (name = "ADMIN_TOKEN", fromEnvironment = "ADMIN_TOKEN"),
    (name = "ENCRYPTION_KEY", fromEnvironment = "ENCRYPTION_KEY"),
    (name = "HMAC_SECRET", fromEnvironment = "HMAC_SECRET"),
    (name = "LOG_LEVEL", text = "error"),
    (name = "TENANTS", durableObjectNamespace = (className = "CountingTenant", serviceName = "objects")),
    (name = "DIRECTORY", durableObjectNamespace = (className = "Directory", serviceName = "objects")),
  ],
);

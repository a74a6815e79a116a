package upshift.agent;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.LinkedHashMap;
import java.util.Map;
import upshift.agent.contract.Attributes;

/** Who an agent is: what it was told, and what a process can find. */
final class Identity {
  private static final String ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";
  private static final int START_TICKS = 22; // the field of /proc/PID/stat, counted from 1

  private final Map<String, String> environment;

  Identity(Map<String, String> environment) {
    this.environment = environment;
  }

  Map<String, String> attributes(String service, Map<String, String> told) {
    Map<String, String> found = new LinkedHashMap<>(told);
    Map<String, String> resource = resource(environment.getOrDefault("OTEL_RESOURCE_ATTRIBUTES", ""));
    resource.forEach(found::putIfAbsent);
    put(found, "service.name", service, told.get("service.name"), variable("OTEL_SERVICE_NAME"), resource.get("service.name"));
    String host = host();
    String ofPod = environment.containsKey("KUBERNETES_SERVICE_HOST") ? host : null;
    put(found, "host.name", found.get("host.name"), host);
    put(found, "k8s.pod.name", found.get("k8s.pod.name"), variable("K8S_POD_NAME"), variable("POD_NAME"), ofPod);
    put(found, "k8s.namespace.name", found.get("k8s.namespace.name"), variable("K8S_NAMESPACE_NAME"), variable("POD_NAMESPACE"), line(ACCOUNT));
    put(found, "k8s.node.name", found.get("k8s.node.name"), variable("K8S_NODE_NAME"));
    put(found, "service.instance.id", found.get("service.instance.id"), found.get("k8s.pod.name"), found.get("host.name"));
    found.put("process.pid", String.valueOf(ProcessHandle.current().pid()));
    found.remove("upshift.process.start_ticks");
    put(found, "upshift.process.start_ticks", ticks());
    found.put("upshift.agent.id", id());
    return Attributes.present(found);
  }

  /** Returns 64 random bits; the kernel's, since Java's own take 50 ms to be had for the first time. */
  private static String id() {
    byte[] random = new byte[8];
    try (InputStream kernels = Files.newInputStream(Path.of("/dev/urandom"))) {
      if (kernels.readNBytes(random, 0, 8) < 8) {
        throw new IOException("it has ended");
      }
    } catch (IOException | RuntimeException absent) {
      new SecureRandom().nextBytes(random);
    }
    StringBuilder id = new StringBuilder();
    for (byte one : random) {
      id.append(Character.forDigit(one >> 4 & 15, 16)).append(Character.forDigit(one & 15, 16));
    }
    return id.toString();
  }

  private static void put(Map<String, String> into, String name, String... choices) {
    for (String choice : choices) {
      if (choice != null && !choice.isEmpty()) {
        into.put(name, choice);
        return;
      }
    }
  }

  private String variable(String name) {
    return environment.getOrDefault(name, "").strip();
  }

  /** Reads KEY=VALUE,… as OpenTelemetry does: percent-encoded, white space around dropped. */
  static Map<String, String> resource(String text) {
    Map<String, String> found = new LinkedHashMap<>();
    for (String pair : text.split(",")) {
      int equals = pair.indexOf('=');
      if (equals > 0) {
        found.put(decoded(pair.substring(0, equals)), decoded(pair.substring(equals + 1)));
      }
    }
    return found;
  }

  private static String decoded(String text) {
    String bare = text.strip();
    try {
      return URLDecoder.decode(bare.replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException asItStands) {
      return bare;
    }
  }

  private static String host() {
    String kernels = line("/proc/sys/kernel/hostname");
    if (kernels != null) {
      return kernels;
    }
    try {
      return InetAddress.getLocalHost().getHostName();
    } catch (IOException | RuntimeException unknown) {
      return null;
    }
  }

  private static String ticks() {
    String stat = line("/proc/self/stat");
    if (stat == null) {
      return null;
    }
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" "); // a name may hold anything
    return fields.length > START_TICKS - 3 ? fields[START_TICKS - 3] : null;
  }

  private static String line(String path) {
    try {
      return new String(Files.readAllBytes(Path.of(path)), StandardCharsets.UTF_8).strip();
    } catch (IOException | RuntimeException absent) {
      return null;
    }
  }
}

package upshift.agent.drivers;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URL;
import java.net.URLEncoder;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import java.util.TreeMap;

/** Sends windows to Pyroscope's {@code /ingest}. One try: a window that is late is worth less than the next. */
final class Push {
  private static final String BOUNDARY = "upshift-7f3a91c4";
  private static final int ANSWERED_MS = 10_000;

  private final String address;
  private final Map<String, String> environment;
  private volatile String name = "unknown";

  /** Reads PYROSCOPE_BASIC_AUTH_USER, PYROSCOPE_BASIC_AUTH_PASSWORD, PYROSCOPE_TENANT_ID. */
  Push(String address, Map<String, String> environment) {
    this.address = address.replaceFirst("/+$", "");
    this.environment = environment;
  }

  void identify(Map<String, String> attributes) {
    StringBuilder named = new StringBuilder(attributes.getOrDefault("service.name", "unknown").replaceAll("[{},=]", "_"));
    String before = "{";
    for (Map.Entry<String, String> tag : new TreeMap<>(attributes).entrySet()) {
      named.append(before).append(tag.getKey().replaceAll("[^A-Za-z0-9_]", "_"));
      named.append('=').append(tag.getValue().replaceAll("[{},=\\p{Cntrl}]", "_"));
      before = ",";
    }
    name = named.append('}').toString();
  }

  void send(Window window) throws IOException {
    String query =
        "/ingest?format=pprof&spyName=javaspy&name=" + URLEncoder.encode(name, StandardCharsets.UTF_8)
            + "&from=" + window.from().toEpochMilli() / 1000 + "&until=" + window.until().toEpochMilli() / 1000;
    HttpURLConnection http = (HttpURLConnection) new URL(address + query).openConnection();
    http.setConnectTimeout(ANSWERED_MS);
    http.setReadTimeout(ANSWERED_MS);
    http.setRequestMethod("POST");
    http.setDoOutput(true);
    http.setRequestProperty("Connection", "close"); // one that is kept would need a timer's thread
    http.setRequestProperty("Content-Type", "multipart/form-data; boundary=" + BOUNDARY);
    String user = environment.getOrDefault("PYROSCOPE_BASIC_AUTH_USER", "");
    if (!user.isEmpty()) {
      String login = user + ":" + environment.getOrDefault("PYROSCOPE_BASIC_AUTH_PASSWORD", "");
      http.setRequestProperty(
          "Authorization", "Basic " + Base64.getEncoder().encodeToString(login.getBytes(StandardCharsets.UTF_8)));
    }
    String tenant = environment.getOrDefault("PYROSCOPE_TENANT_ID", "");
    if (!tenant.isEmpty()) {
      http.setRequestProperty("X-Scope-OrgID", tenant);
    }
    byte[] body = body(window.pprof());
    http.setFixedLengthStreamingMode(body.length);
    try (OutputStream out = http.getOutputStream()) {
      out.write(body);
    }
    int code = http.getResponseCode();
    http.disconnect();
    if (code >= 300) {
      throw new IOException(address + " does not take profiles: HTTP " + code);
    }
  }

  private static byte[] body(byte[] pprof) throws IOException {
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    String head =
        "--" + BOUNDARY + "\r\nContent-Disposition: form-data; name=\"profile\"; filename=\"profile.pprof\"\r\n"
            + "Content-Type: application/octet-stream\r\n\r\n";
    body.write(head.getBytes(StandardCharsets.US_ASCII));
    body.write(pprof);
    body.write(("\r\n--" + BOUNDARY + "--\r\n").getBytes(StandardCharsets.US_ASCII));
    return body.toByteArray();
  }
}

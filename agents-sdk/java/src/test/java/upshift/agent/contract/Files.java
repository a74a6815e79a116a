package upshift.agent.contract;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** The contract's files, which every SDK is held to. */
final class Files {
  static final Path CONTRACT = Path.of("../contract");

  static byte[] golden(String name) throws IOException {
    return java.nio.file.Files.readAllBytes(CONTRACT.resolve("golden").resolve(name));
  }

  /** Any JSON value of a file; the contract's reader knows objects only. */
  static Object json(byte[] bytes) throws RefusedException {
    byte[] wrapped = ("{\"it\":" + new String(bytes, java.nio.charset.StandardCharsets.UTF_8) + "}").getBytes(java.nio.charset.StandardCharsets.UTF_8);
    return Json.object(wrapped).get("it");
  }

  @SuppressWarnings("unchecked")
  static List<Map<String, Object>> list(Object value) {
    return (List<Map<String, Object>>) value;
  }

  @SuppressWarnings("unchecked")
  static Map<String, Object> map(Object value) {
    return (Map<String, Object>) value;
  }
}

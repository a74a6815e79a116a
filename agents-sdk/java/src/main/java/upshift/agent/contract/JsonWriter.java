package upshift.agent.contract;

import java.util.Map;

/** Values as JSON. */
public final class JsonWriter {
  private JsonWriter() {}

  /**
   * Returns a value as JSON, without spaces; half surrogates become {@code ?}.
   *
   * @param value maps with text keys, collections, text, numbers, booleans, null
   * @return the text
   */
  public static String write(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    char before = 0;
    if (value instanceof Map) {
      out.append('{');
      for (Map.Entry<?, ?> field : ((Map<?, ?>) value).entrySet()) {
        if (before != 0) {
          out.append(before);
        }
        before = ',';
        write(field.getKey().toString(), out);
        out.append(':');
        write(field.getValue(), out);
      }
      out.append('}');
    } else if (value instanceof Iterable) {
      out.append('[');
      for (Object item : (Iterable<?>) value) {
        if (before != 0) {
          out.append(before);
        }
        before = ',';
        write(item, out);
      }
      out.append(']');
    } else if (value instanceof String) {
      quote((String) value, out, true);
    } else {
      out.append(value);
    }
  }

  static void quote(String text, StringBuilder out, boolean controls) {
    out.append('"');
    for (int i = 0; i < text.length(); i++) {
      char c = text.charAt(i);
      if (c == '"' || c == '\\') {
        out.append('\\').append(c);
      } else if (controls && c < ' ') {
        out.append(String.format("\\u%04x", (int) c));
      } else if (Character.isHighSurrogate(c) && i + 1 < text.length() && Character.isLowSurrogate(text.charAt(i + 1))) {
        out.append(c).append(text.charAt(++i));
      } else {
        out.append(Character.isSurrogate(c) ? '?' : c);
      }
    }
    out.append('"');
  }
}

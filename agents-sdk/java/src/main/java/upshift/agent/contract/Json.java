package upshift.agent.contract;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * JSON as the contract reads it: strict, bounded, whole numbers told from others.
 *
 * <p>An object is a {@code Map}, a list a {@code List}, text a {@code String}; a number is a {@code Long}
 * where it is written as a whole one that fits, else a {@code Double}.
 */
public final class Json {
  /** The most bytes of a message. */
  public static final int LONGEST = 4_194_304;

  private static final int DEEPEST = 200; // plans nest 5 levels deep

  private final String text;
  private int at;

  private Json(String text) {
    this.text = text;
  }

  /**
   * Returns the object that a message is.
   *
   * @param message UTF-8
   * @return its fields
   * @throws RefusedException if it breaks a rule of the contract
   */
  public static Map<String, Object> object(byte[] message) throws RefusedException {
    if (message.length > LONGEST) {
      throw new RefusedException("longer than " + LONGEST + " bytes: " + message.length);
    }
    String text;
    try {
      text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(message)).toString();
    } catch (CharacterCodingException broken) {
      throw new RefusedException("not JSON: not valid UTF-8");
    }
    Json json = new Json(text);
    json.space();
    Object value = json.value(0);
    json.space();
    if (json.at < text.length()) {
      throw json.wrong("something follows the document");
    }
    return fields("message", value);
  }

  /**
   * Returns an object's fields.
   *
   * @param what its name in the message, for the error
   * @param value what came
   * @return the fields
   * @throws RefusedException if it is no object
   */
  @SuppressWarnings("unchecked") // keys of our own maps are strings
  static Map<String, Object> fields(String what, Object value) throws RefusedException {
    if (value instanceof Map) {
      return (Map<String, Object>) value;
    }
    throw new RefusedException(what + " must be an object, got " + shown(value));
  }

  /** Returns a value for an error: short, whatever it is. */
  static String shown(Object value) {
    return Text.cut(JsonWriter.write(value), 100);
  }

  private Object value(int depth) throws RefusedException {
    if (depth > DEEPEST) {
      throw wrong("nested too deeply");
    }
    if (at >= text.length()) {
      throw wrong("it ends too early");
    }
    switch (text.charAt(at)) {
      case '{':
        return object(depth);
      case '[':
        return list(depth);
      case '"':
        return string();
      case 't':
        return word("true", true);
      case 'f':
        return word("false", false);
      case 'n':
        return word("null", null);
      default:
        return number();
    }
  }

  private Map<String, Object> object(int depth) throws RefusedException {
    Map<String, Object> fields = new LinkedHashMap<>();
    at++;
    space();
    if (next('}')) {
      return fields;
    }
    while (true) {
      if (at >= text.length() || text.charAt(at) != '"') {
        throw wrong("a name in double quotes is missing");
      }
      String name = string();
      space();
      expect(':');
      space();
      fields.put(name, value(depth + 1));
      space();
      if (next('}')) {
        return fields;
      }
      expect(',');
      space();
    }
  }

  private List<Object> list(int depth) throws RefusedException {
    List<Object> items = new ArrayList<>();
    at++;
    space();
    if (next(']')) {
      return items;
    }
    while (true) {
      items.add(value(depth + 1));
      space();
      if (next(']')) {
        return items;
      }
      expect(',');
      space();
    }
  }

  private String string() throws RefusedException {
    StringBuilder read = new StringBuilder();
    at++;
    while (true) {
      if (at >= text.length()) {
        throw wrong("a text does not end");
      }
      char c = text.charAt(at++);
      if (c == '"') {
        break;
      }
      if (c < ' ') {
        throw wrong("a control character within a text");
      }
      read.append(c == '\\' ? escaped() : c);
    }
    for (int i = 0; i < read.length(); i++) {
      char c = read.charAt(i);
      if (Character.isHighSurrogate(c) && i + 1 < read.length() && Character.isLowSurrogate(read.charAt(i + 1))) {
        i++;
      } else if (Character.isSurrogate(c)) {
        throw wrong("half a surrogate pair");
      }
    }
    return read.toString();
  }

  private char escaped() throws RefusedException {
    char c = at < text.length() ? text.charAt(at++) : 0;
    int plain = "\"\\/bfnrt".indexOf(c);
    if (plain >= 0) {
      return "\"\\/\b\f\n\r\t".charAt(plain);
    }
    if (c != 'u' || at + 4 > text.length()) {
      throw wrong("an unknown escape");
    }
    int code = 0;
    for (int i = 0; i < 4; i++) {
      char digit = text.charAt(at++);
      int worth = digit < 128 ? Character.digit(digit, 16) : -1; // no digits of other scripts
      if (worth < 0) {
        throw wrong("an unknown escape");
      }
      code = code * 16 + worth;
    }
    return (char) code;
  }

  private Object word(String word, Object value) throws RefusedException {
    if (!text.startsWith(word, at)) {
      throw wrong("an unknown word");
    }
    at += word.length();
    return value;
  }

  private Object number() throws RefusedException {
    int start = at;
    next('-');
    int whole = digits();
    if (whole == 0 || whole > 1 && text.charAt(at - whole) == '0') {
      throw wrong("neither a value nor a number");
    }
    boolean fractional = false;
    if (next('.')) {
      fractional = true;
      if (digits() == 0) {
        throw wrong("a number without its fraction");
      }
    }
    if (next('e') || next('E')) {
      fractional = true;
      if (!next('+')) {
        next('-');
      }
      if (digits() == 0) {
        throw wrong("a number without its exponent");
      }
    }
    String written = text.substring(start, at);
    if (!fractional && written.length() <= 20) {
      try {
        return Long.valueOf(written);
      } catch (NumberFormatException larger) {
        // a double, then
      }
    }
    double number = Double.parseDouble(written);
    if (Double.isInfinite(number)) {
      throw wrong("a number beyond the largest double");
    }
    return number;
  }

  private int digits() {
    int from = at;
    while (at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9') {
      at++;
    }
    return at - from;
  }

  private void space() {
    while (at < text.length() && " \t\n\r".indexOf(text.charAt(at)) >= 0) {
      at++;
    }
  }

  private boolean next(char c) {
    if (at < text.length() && text.charAt(at) == c) {
      at++;
      return true;
    }
    return false;
  }

  private void expect(char c) throws RefusedException {
    if (!next(c)) {
      throw wrong("'" + c + "' is missing");
    }
  }

  private RefusedException wrong(String what) {
    return new RefusedException("not JSON: " + what + " at character " + at);
  }
}

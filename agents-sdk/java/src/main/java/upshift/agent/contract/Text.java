package upshift.agent.contract;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Text as the contract has it: plain, cleaned, cut, and compared by code point. */
public final class Text {
  private Text() {}

  /**
   * Returns whether text stays on one line and says what it seems to say.
   *
   * @param text any
   * @return whether none of its code points is one of those that the contract lists
   */
  public static boolean plain(String text) {
    return text.codePoints().noneMatch(Text::unplain);
  }

  private static boolean unplain(int c) {
    return c <= 0x1F
        || c >= 0x7F && c <= 0x9F
        || c == 0x61C
        || c == 0x200E
        || c == 0x200F
        || c >= 0x2028 && c <= 0x202E
        || c >= 0x2066 && c <= 0x2069
        || c == 0xFEFF
        || c >= 0xD800 && c <= 0xDFFF;
  }

  private static boolean white(int c) {
    return c >= 9 && c <= 0xD || c >= 0x1C && c <= 0x1F || c == 0x85 || c == 0x2028 || c == 0x2029;
  }

  /**
   * Returns text that may be shown.
   *
   * @param text from anywhere
   * @param longest the most code points
   * @return one line
   */
  public static String clean(String text, int longest) {
    StringBuilder clean = new StringBuilder();
    text.codePoints().map(c -> !unplain(c) ? c : white(c) ? ' ' : 0xFFFD).forEach(clean::appendCodePoint);
    return cut(clean.toString(), longest);
  }

  static String cut(String text, int longest) {
    if (text.codePointCount(0, text.length()) <= longest) {
      return text;
    }
    return text.substring(0, text.offsetByCodePoints(0, longest - 1)) + "…";
  }

  /**
   * Compares by code point, which is byte by byte in UTF-8.
   *
   * @param a one text
   * @param b another
   * @return below 0, 0 or above, as {@link Comparable} has it
   */
  public static int compare(String a, String b) {
    return Arrays.compareUnsigned(utf8(a), utf8(b));
  }

  /**
   * Returns text's UTF-8; half a surrogate pair is {@code ?}.
   *
   * @param text any
   * @return bytes
   */
  public static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}

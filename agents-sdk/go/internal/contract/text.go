package contract

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// plain tells whether a code point stays on one line and says what it seems to say.
func plain(r rune) bool {
	switch {
	case r <= 0x1F, r >= 0x7F && r <= 0x9F, r == 0x061C, r == 0x200E, r == 0x200F,
		r >= 0x202A && r <= 0x202E, r >= 0x2066 && r <= 0x2069, r == 0x2028, r == 0x2029,
		r == 0xFEFF, r >= 0xD800 && r <= 0xDFFF:
		return false
	}
	return true
}

func isPlain(text string) bool {
	for _, r := range text {
		if !plain(r) {
			return false
		}
	}
	return utf8.ValidString(text)
}

// Clean returns text on one line of at most longest code points.
func Clean(text string, longest int) string {
	count := 0
	cut := len(text)
	var cleaned strings.Builder
	for _, r := range Unicode(text) {
		if count == longest-1 {
			cut = cleaned.Len()
		}
		if count == longest {
			return cleaned.String()[:cut] + "…"
		}
		count++
		switch {
		case plain(r):
			cleaned.WriteRune(r)
		case r >= 0x09 && r <= 0x0D, r >= 0x1C && r <= 0x1F, r == 0x85, r == 0x2028, r == 0x2029:
			cleaned.WriteByte(' ')
		default:
			cleaned.WriteRune(utf8.RuneError)
		}
	}
	return cleaned.String()
}

// Unicode returns text with `?` for each byte that is no UTF-8.
func Unicode(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var valid strings.Builder
	for len(text) > 0 {
		r, size := utf8.DecodeRuneInString(text)
		if r == utf8.RuneError && size == 1 {
			r = '?'
		}
		valid.WriteRune(r)
		text = text[size:]
	}
	return valid.String()
}

// CheckTarget tells what is wrong with a target.
func CheckTarget(target string) error {
	name := ""
	for _, kind := range []string{"service/", "node/"} {
		if strings.HasPrefix(target, kind) {
			name = target[len(kind):]
		}
	}
	if target != "fleet" && name == "" {
		return fmt.Errorf("a target is service/NAME, node/NAME or fleet, got '%s'", Clean(target, 100))
	}
	if len(target) > MaxTargetBytes || !isPlain(target) {
		return fmt.Errorf("a target is plain text of at most %d bytes, got '%s'", MaxTargetBytes, Clean(target, 100))
	}
	return nil
}

// Key returns the name of a target's key or channel: last is plan, changes or agents.
func Key(namespace, target, last string) string {
	return namespace + ":v1:{" + encoded(target) + "}:" + last
}

func encoded(target string) string {
	const kept = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._/-"
	var key strings.Builder
	for i := 0; i < len(target); i++ {
		if strings.IndexByte(kept, target[i]) >= 0 {
			key.WriteByte(target[i])
		} else {
			fmt.Fprintf(&key, "%%%02X", target[i])
		}
	}
	return key.String()
}

package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf8"
)

// An object is a JSON object whose numbers are as they were written.
type object = map[string]any

// parse returns the object that data is. encoding/json is looser than the contract: it replaces bad
// UTF-8 and half surrogates, so those are looked for first.
func parse(data []byte) (object, error) {
	if len(data) > MaxMessageBytes {
		return nil, fmt.Errorf("%d bytes are more than the %d of a message", len(data), MaxMessageBytes)
	}
	if !utf8.Valid(data) {
		return nil, errors.New("not valid UTF-8")
	}
	if halfSurrogate(data) {
		return nil, errors.New("a text holds half a surrogate pair")
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var document any
	if err := decoder.Decode(&document); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("not JSON: something follows the document")
	}
	if err := finite(document); err != nil {
		return nil, err
	}
	return objectOf(document, "the message")
}

// halfSurrogate tells of an escape \uD800 to \uDFFF that is no half of a pair. A backslash stands in
// strings only, where the document is JSON at all.
func halfSurrogate(data []byte) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' {
			continue
		}
		i++
		first, ok := escaped(data, i)
		if !ok {
			continue
		}
		i += 4
		if first < 0xD800 || first > 0xDFFF {
			continue
		}
		second, ok := uint64(0), false
		if i+2 < len(data) && data[i+1] == '\\' {
			second, ok = escaped(data, i+2)
		}
		if first > 0xDBFF || !ok || second < 0xDC00 || second > 0xDFFF {
			return true
		}
		i += 6
	}
	return false
}

func escaped(data []byte, at int) (uint64, bool) {
	if at+5 > len(data) || data[at] != 'u' {
		return 0, false
	}
	value, err := strconv.ParseUint(string(data[at+1:at+5]), 16, 16)
	return value, err == nil
}

func finite(value any) error {
	switch value := value.(type) {
	case json.Number:
		if _, err := value.Float64(); err != nil {
			return fmt.Errorf("not JSON: a number beyond the largest double: %.40s", value)
		}
	case []any:
		for _, item := range value {
			if err := finite(item); err != nil {
				return err
			}
		}
	case object:
		for _, item := range value {
			if err := finite(item); err != nil {
				return err
			}
		}
	}
	return nil
}

// A reader takes fields out of one object; its first error stays.
type reader struct {
	of   string
	from object
	err  error
}

func (r *reader) wrong(name, wanted string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s.%s must be %s, got %.60s", r.of, name, wanted, shown(r.from[name]))
	}
}

func shown(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		return "something else"
	}
	return string(text)
}

func (r *reader) text(name string) string {
	value, ok := r.from[name].(string)
	if !ok {
		r.wrong(name, "a string")
	}
	return value
}

func (r *reader) whole(name string) int64 {
	value, ok := whole(r.from[name])
	if !ok {
		r.wrong(name, "a whole number from 0 up")
	}
	return value
}

// number returns a double; without the field it is absent.
func (r *reader) number(name string, absent float64) float64 {
	value, there := r.from[name]
	if !there {
		return absent
	}
	number, ok := value.(json.Number)
	if !ok {
		r.wrong(name, "a number")
		return absent
	}
	double, err := number.Float64()
	if err != nil {
		r.wrong(name, "a number")
	}
	return double
}

func (r *reader) object(name string) object {
	value, there := r.from[name]
	if !there {
		return nil
	}
	found, ok := value.(object)
	if !ok {
		r.wrong(name, "an object")
	}
	return found
}

// wholes returns an object of whole numbers.
func (r *reader) wholes(name string) map[string]int64 {
	found := map[string]int64{}
	for key, value := range r.object(name) {
		number, ok := whole(value)
		if !ok {
			r.wrong(name, fmt.Sprintf("of whole numbers from 0 up (%.40q is not)", key))
		}
		found[key] = number
	}
	return found
}

func whole(value any) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	found, err := strconv.ParseInt(number.String(), 10, 64)
	return found, err == nil && found >= 0 && found <= math.MaxInt64
}

func objectOf(value any, of string) (object, error) {
	found, ok := value.(object)
	if !ok {
		return nil, fmt.Errorf("%s must be an object, got %.60s", of, shown(value))
	}
	return found, nil
}

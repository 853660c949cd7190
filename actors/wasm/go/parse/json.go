package parse

import "unicode/utf8"

// JSON is a strict parser that allocates nothing: it writes over what it has read, so a text is read once.
type JSON struct {
	bytes []byte
	at    int
}

// Of is a parser of bytes.
func Of(bytes []byte) JSON { return JSON{bytes: bytes} }

func (j *JSON) white() {
	for ; j.at < len(j.bytes); j.at++ {
		if b := j.bytes[j.at]; b != ' ' && b != '\n' && b != '\r' && b != '\t' {
			return
		}
	}
}

// peek is the next byte, or 0, which is nothing in JSON.
func (j *JSON) peek() byte {
	if j.at < len(j.bytes) {
		return j.bytes[j.at]
	}
	return 0
}

// next is the next byte, or 0, and reads it.
func (j *JSON) next() byte {
	b := j.peek()
	j.at++
	return b
}

// Take reads this byte, behind white space, if it is next.
func (j *JSON) Take(b byte) bool {
	j.white()
	if j.peek() != b {
		return false
	}
	j.at++
	return true
}

// Ended tells whether nothing but white space is left.
func (j *JSON) Ended() bool {
	j.white()
	return j.at == len(j.bytes)
}

// Text reads a text of UTF-8, without its escapes.
func (j *JSON) Text() (text []byte, ok bool) {
	if !j.Take('"') {
		return nil, false
	}
	// Nothing need be moved in front of the first escape. A character is never longer than its escape.
	first := j.at
	text = j.bytes[first:first]
	for j.at < len(j.bytes) {
		switch b := j.next(); {
		case b == '"':
			return text, utf8.Valid(text)
		case b < 0x20:
			return nil, false
		case b != '\\':
			text = append(text, b)
		default:
			char, ok := j.escape()
			if !ok {
				return nil, false
			}
			text = utf8.AppendRune(text, char)
		}
	}
	return nil, false
}

// escape is the character of the escape whose backslash was read.
func (j *JSON) escape() (char rune, ok bool) {
	switch b := j.next(); b {
	case '"', '\\', '/':
		return rune(b), true
	case 'b':
		return '\b', true
	case 'f':
		return '\f', true
	case 'n':
		return '\n', true
	case 'r':
		return '\r', true
	case 't':
		return '\t', true
	case 'u':
	default:
		return 0, false
	}
	first, ok := j.hex()
	if !ok || first < 0xd800 || first > 0xdfff {
		return first, ok
	}
	// Half of a pair: the other half must follow.
	if first >= 0xdc00 || j.next() != '\\' || j.next() != 'u' {
		return 0, false
	}
	second, ok := j.hex()
	return 0x10000 + (first-0xd800)<<10 + (second - 0xdc00), ok && second >= 0xdc00 && second <= 0xdfff
}

// hex reads four hexadecimal digits.
func (j *JSON) hex() (value rune, ok bool) {
	for range 4 {
		b := j.next()
		switch letter := b | 0x20; {
		case b >= '0' && b <= '9':
			value = value<<4 | rune(b-'0')
		case letter >= 'a' && letter <= 'f':
			value = value<<4 | rune(letter-'a'+10)
		default:
			return 0, false
		}
	}
	return value, true
}

// Unsigned reads a number of digits alone, without a leading zero, of at most most.
func (j *JSON) Unsigned(most uint64) (number uint64, ok bool) {
	j.white()
	first := j.at
	for ; j.peek() >= '0' && j.peek() <= '9'; j.at++ {
		digit := uint64(j.peek() - '0')
		if number > (most-digit)/10 {
			return 0, false
		}
		number = number*10 + digit
	}
	if j.at == first || j.bytes[first] == '0' && j.at > first+1 {
		return 0, false
	}
	return number, j.peek() != '.' && j.peek()|0x20 != 'e'
}

// Skip reads past a value of any kind, however deep it is nested.
func (j *JSON) Skip() bool {
	// What is open, as its closing byte: over bytes that were read, as each was opened by a byte.
	start := j.at
	open := j.bytes[start:start]
	for {
		j.white()
		b := j.peek()
		if b == '{' || b == '[' {
			j.at++
			if !j.Take(b + 2) {
				open = append(open, b+2)
				if b == '{' && !j.name() {
					return false
				}
				continue
			}
		} else if !j.plain(b) {
			return false
		}
		// A value has ended, and perhaps what it is in.
		for ; len(open) > 0; open = open[:len(open)-1] {
			closing := open[len(open)-1]
			if j.Take(',') {
				if closing == '}' && !j.name() {
					return false
				}
				break
			}
			if !j.Take(closing) {
				return false
			}
		}
		if len(open) == 0 {
			return true
		}
	}
}

// name reads past a field's name and its colon.
func (j *JSON) name() bool {
	j.white()
	return j.peek() == '"' && j.plainText() && j.Take(':')
}

func (j *JSON) plain(b byte) bool {
	switch b {
	case '"':
		return j.plainText()
	case 't':
		return j.word("true")
	case 'n':
		return j.word("null")
	case 'f':
		return j.word("false")
	case '-':
		j.at++
	}
	zero := j.peek() == '0'
	if count := j.digits(); count == 0 || zero && count > 1 {
		return false
	}
	if j.peek() == '.' {
		j.at++
		if j.digits() == 0 {
			return false
		}
	}
	if j.peek()|0x20 == 'e' {
		j.at++
		if j.peek() == '+' || j.peek() == '-' {
			j.at++
		}
		return j.digits() > 0
	}
	return true
}

// plainText reads past a text that nobody wants, which need not be UTF-8.
func (j *JSON) plainText() bool {
	for j.at++; j.at < len(j.bytes); {
		switch b := j.next(); {
		case b == '"':
			return true
		case b < 0x20:
			return false
		case b == '\\':
			switch j.next() {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := j.hex(); !ok {
					return false
				}
			default:
				return false
			}
		}
	}
	return false
}

func (j *JSON) word(word string) bool {
	if len(j.bytes)-j.at < len(word) || string(j.bytes[j.at:j.at+len(word)]) != word {
		return false
	}
	j.at += len(word)
	return true
}

func (j *JSON) digits() int {
	first := j.at
	for j.peek() >= '0' && j.peek() <= '9' {
		j.at++
	}
	return j.at - first
}

package main

import (
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var errNotJSON = errors.New("not one JSON value in UTF-8")

// parser has a stack of its own, so that depth is a verdict and never a crash.
type parser struct {
	raw   string
	at    int
	twice bool // whether an object has two members of one name
}

func (p *parser) space() {
	for p.at < len(p.raw) && strings.IndexByte(" \t\n\r", p.raw[p.at]) >= 0 {
		p.at++
	}
}

func (p *parser) take(wanted string) bool {
	if !strings.HasPrefix(p.raw[p.at:], wanted) {
		return false
	}
	p.at += len(wanted)
	p.space()
	return true
}

type open struct {
	holder *node
	name   string // of the member whose value is being read
}

// parse reads one JSON value. Depth and numbers are judged afterwards, on what was kept.
func parse(raw []byte) (*node, error) {
	return (&parser{raw: string(raw)}).parse()
}

// parseOnce also refuses an object that has two members of one name, as the control topic wants it.
func parseOnce(raw []byte) (*node, error) {
	p := &parser{raw: string(raw)}
	value, err := p.parse()
	if err == nil && p.twice {
		err = errNotJSON
	}
	return value, err
}

func (p *parser) parse() (*node, error) {
	if !utf8.ValidString(p.raw) {
		return nil, errNotJSON
	}
	p.space()
	var stack []open
	for {
		value, more, err := p.begin()
		if err != nil {
			return nil, err
		}
		if more {
			name, err := p.name(value)
			if err != nil {
				return nil, err
			}
			stack = append(stack, open{value, name})
			continue
		}
		for {
			if len(stack) == 0 {
				if p.at != len(p.raw) {
					return nil, errNotJSON
				}
				return value, nil
			}
			top := &stack[len(stack)-1]
			closing := "]"
			if top.holder.kind == object {
				closing = "}"
				p.twice = p.twice || top.holder.find(top.name) >= 0
				top.holder.put(top.name, value)
			} else {
				top.holder.children = append(top.holder.children, value)
			}
			if p.take(",") {
				if top.name, err = p.name(top.holder); err != nil {
					return nil, err
				}
				break
			}
			if !p.take(closing) {
				return nil, errNotJSON
			}
			value, stack = top.holder, stack[:len(stack)-1]
		}
	}
}

// begin reads a scalar or an empty container, or opens one that holds something; then more is true.
func (p *parser) begin() (value *node, more bool, err error) {
	if p.take("{") {
		return &node{kind: object}, !p.take("}"), nil
	}
	if p.take("[") {
		return &node{kind: array}, !p.take("]"), nil
	}
	for _, word := range []string{"true", "false", "null"} {
		if p.take(word) {
			return &node{kind: scalar, text: word}, false, nil
		}
	}
	if p.at < len(p.raw) && p.raw[p.at] == '"' {
		text, err := p.str()
		return &node{kind: str, text: text}, false, err
	}
	value, err = p.number()
	return value, false, err
}

func (p *parser) name(holder *node) (string, error) {
	if holder.kind == array {
		return "", nil
	}
	text, err := p.str()
	if err == nil && !p.take(":") {
		err = errNotJSON
	}
	return text, err
}

func (p *parser) digits() bool {
	start := p.at
	for p.at < len(p.raw) && p.raw[p.at] >= '0' && p.raw[p.at] <= '9' {
		p.at++
	}
	return p.at > start
}

func (p *parser) number() (*node, error) {
	start := p.at
	if p.at < len(p.raw) && p.raw[p.at] == '-' {
		p.at++
	}
	whole := p.at
	if !p.digits() || (p.raw[whole] == '0' && p.at > whole+1) {
		return nil, errNotJSON
	}
	if p.at < len(p.raw) && p.raw[p.at] == '.' {
		p.at++
		if !p.digits() {
			return nil, errNotJSON
		}
	}
	if p.at < len(p.raw) && (p.raw[p.at] == 'e' || p.raw[p.at] == 'E') {
		p.at++
		if p.at < len(p.raw) && (p.raw[p.at] == '+' || p.raw[p.at] == '-') {
			p.at++
		}
		if !p.digits() {
			return nil, errNotJSON
		}
	}
	text := p.raw[start:p.at]
	p.space()
	return &node{kind: number, text: text}, nil
}

func (p *parser) str() (string, error) {
	if p.at >= len(p.raw) || p.raw[p.at] != '"' {
		return "", errNotJSON
	}
	p.at++
	var out strings.Builder
	for p.at < len(p.raw) {
		switch c := p.raw[p.at]; {
		case c == '"':
			p.at++
			p.space()
			return out.String(), nil
		case c < 0x20:
			return "", errNotJSON
		case c == '\\':
			letter, err := p.escape()
			if err != nil {
				return "", err
			}
			out.WriteRune(letter)
		default:
			out.WriteByte(c)
			p.at++
		}
	}
	return "", errNotJSON
}

var escapes = map[byte]rune{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (p *parser) escape() (rune, error) {
	if p.at+1 >= len(p.raw) {
		return 0, errNotJSON
	}
	if p.raw[p.at+1] != 'u' {
		letter, ok := escapes[p.raw[p.at+1]]
		p.at += 2
		if !ok {
			return 0, errNotJSON
		}
		return letter, nil
	}
	first, err := p.unit()
	if err != nil || !utf16.IsSurrogate(first) {
		return first, err
	}
	second, err := p.unit()
	if err != nil {
		return 0, err
	}
	letter := utf16.DecodeRune(first, second)
	if letter == utf8.RuneError { // no pair of surrogates stands for it
		return 0, errNotJSON
	}
	return letter, nil
}

func (p *parser) unit() (rune, error) {
	if p.at+6 > len(p.raw) || p.raw[p.at:p.at+2] != `\u` {
		return 0, errNotJSON
	}
	digits := p.raw[p.at+2 : p.at+6]
	for _, c := range []byte(digits) {
		if strings.IndexByte("0123456789abcdefABCDEF", c) < 0 {
			return 0, errNotJSON
		}
	}
	value, err := strconv.ParseUint(digits, 16, 32)
	p.at += 6
	return rune(value), err
}

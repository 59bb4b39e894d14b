package main

import (
	"math"
	"strconv"
	"strings"
)

// encoding/json will not do: it takes lone surrogates and invalid UTF-8, forgets the order of members, and its numbers
// are floats. Here order and spelling are kept.

type kind byte

const (
	scalar kind = iota // true, false or null, as it stands in text
	number             // as it stands in text
	str
	array
	object
)

// node is one JSON value. names and children of an object belong together by index; an array has children alone.
type node struct {
	kind     kind
	text     string
	names    []string
	children []*node
	places   map[string]int // where a name is, once an object has many
}

const placesFrom = 8

func (n *node) find(name string) int {
	if n.places != nil {
		if at, ok := n.places[name]; ok {
			return at
		}
		return -1
	}
	for at, known := range n.names {
		if known == name {
			return at
		}
	}
	return -1
}

// member returns what an object holds under a name, nil where it holds nothing or the value is no object.
func (n *node) member(name string) *node {
	if n.kind != object {
		return nil
	}
	if at := n.find(name); at >= 0 {
		return n.children[at]
	}
	return nil
}

// put adds a member. Of two of one name the last is kept, at the place of the first.
func (n *node) put(name string, value *node) {
	if at := n.find(name); at >= 0 {
		n.children[at] = value
		return
	}
	n.names = append(n.names, name)
	n.children = append(n.children, value)
	if n.places != nil {
		n.places[name] = len(n.names) - 1
	} else if len(n.names) == placesFrom {
		n.places = make(map[string]int)
		for at, known := range n.names {
			n.places[known] = at
		}
	}
}

// without returns an object less one member.
func (n *node) without(name string) *node {
	out := &node{kind: object}
	for at, known := range n.names {
		if known != name {
			out.names = append(out.names, known)
			out.children = append(out.children, n.children[at])
		}
	}
	return out
}

// depth counts levels of objects and arrays; a scalar has none.
func depth(n *node) int {
	deepest := 0
	type level struct {
		n *node
		d int
	}
	todo := []level{{n, 1}}
	for len(todo) > 0 {
		one := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if one.n.kind != array && one.n.kind != object {
			continue
		}
		deepest = max(deepest, one.d)
		for _, child := range one.n.children {
			todo = append(todo, level{child, one.d + 1})
		}
	}
	return deepest
}

// badNumber tells whether a number in the value breaks the writer's rule.
func badNumber(n *node) bool {
	todo := []*node{n}
	for len(todo) > 0 {
		one := todo[len(todo)-1]
		todo = append(todo[:len(todo)-1], one.children...)
		if one.kind == number && !goodNumber(one.text) {
			return true
		}
	}
	return false
}

func goodNumber(text string) bool {
	if strings.ContainsAny(text, ".eE") {
		value, err := strconv.ParseFloat(text, 64)
		return err == nil && !math.IsInf(value, 0)
	}
	if strings.HasPrefix(text, "-") {
		_, err := strconv.ParseInt(text, 10, 64)
		return err == nil
	}
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

const hexDigits = "0123456789abcdef"

func quote(out *strings.Builder, text string) {
	out.WriteByte('"')
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		case c < 0x20:
			out.WriteString(`\u00`)
			out.WriteByte(hexDigits[c>>4])
			out.WriteByte(hexDigits[c&15])
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('"')
}

// write appends the value as compact JSON; the depth of what is written was judged before.
func (n *node) write(out *strings.Builder) {
	switch n.kind {
	case str:
		quote(out, n.text)
	case array, object:
		brackets := "[]"
		if n.kind == object {
			brackets = "{}"
		}
		out.WriteByte(brackets[0])
		for at, child := range n.children {
			if at > 0 {
				out.WriteByte(',')
			}
			if n.kind == object {
				quote(out, n.names[at])
				out.WriteByte(':')
			}
			child.write(out)
		}
		out.WriteByte(brackets[1])
	default:
		out.WriteString(n.text)
	}
}

// String returns the value as compact JSON.
func (n *node) String() string {
	var out strings.Builder
	n.write(&out)
	return out.String()
}

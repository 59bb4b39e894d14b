package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"strconv"
	"strings"
)

// docs/wire-format.md, "What is sensitive".

var twelve = []string{
	"actor_assignments", "override_justification", "risk_lead_signature", "security_lead_signature",
	"decision_actor", "decision_rationale", "workflow_id", "author_id", "actor_id", "combined_hash", "requested_by",
	"signer_id",
}

var (
	errPolicy    = errors.New("malformed policy")
	pointerToken = regexp.MustCompile(`\A(?:[^~/]|~[01])*\z`)
	unescape     = strings.NewReplacer("~1", "/", "~0", "~")
)

// policyText is a policy as the manifest has it; lists may be absent.
type policyText struct {
	ID       string   `json:"id"`
	Names    []string `json:"names"`
	Pointers []string `json:"pointers"`
	Exclude  []string `json:"exclude"`
}

// readPolicy refuses what it does not know: a policy that is half understood would pass a field in the clear.
func readPolicy(raw []byte) (*policy, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members["id"] == nil {
		return nil, errPolicy
	}
	for _, member := range members {
		if string(member) == "null" {
			return nil, errPolicy
		}
	}
	var text policyText
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&text); err != nil {
		return nil, errPolicy
	}
	return newPolicy(text)
}

type policy struct {
	names            map[string]bool
	pointers         [][]string
	excludedNames    map[string]bool
	excludedPointers [][]string
}

func normalised(name string) string {
	return strings.Map(func(letter rune) rune {
		switch {
		case strings.ContainsRune("_-. ", letter):
			return -1
		case letter >= 'A' && letter <= 'Z':
			return letter + 'a' - 'A'
		}
		return letter
	}, name)
}

func tokensOf(pointer string) ([]string, error) {
	if !strings.HasPrefix(pointer, "/") {
		return nil, errPolicy
	}
	tokens := strings.Split(pointer[1:], "/")
	for at, token := range tokens {
		if !pointerToken.MatchString(token) {
			return nil, errPolicy
		}
		tokens[at] = unescape.Replace(token)
	}
	return tokens, nil
}

func newPolicy(text policyText) (*policy, error) {
	made := &policy{names: map[string]bool{}, excludedNames: map[string]bool{}}
	for _, name := range twelve {
		made.names[normalised(name)] = true
	}
	for _, name := range text.Names {
		if normalised(name) == "" {
			return nil, errPolicy
		}
		made.names[normalised(name)] = true
	}
	for _, pointer := range text.Pointers {
		tokens, err := tokensOf(pointer)
		if err != nil {
			return nil, err
		}
		made.pointers = append(made.pointers, tokens)
	}
	for _, name := range text.Exclude {
		if strings.HasPrefix(name, "/") {
			tokens, err := tokensOf(name)
			if err != nil {
				return nil, err
			}
			made.excludedPointers = append(made.excludedPointers, tokens)
		} else if normalised(name) == "" {
			return nil, errPolicy
		} else {
			made.excludedNames[normalised(name)] = true
		}
	}
	return made, nil
}

func anyMatches(pointers [][]string, tokens []string) bool {
	for _, pointer := range pointers {
		matches := len(pointer) == len(tokens)
		for at := 0; matches && at < len(tokens); at++ {
			matches = pointer[at] == "*" || pointer[at] == tokens[at]
		}
		if matches {
			return true
		}
	}
	return false
}

func (p *policy) sensitive(where place) bool {
	name, isMember := "", strings.HasSuffix(where.kinds, "m")
	if isMember {
		name = normalised(where.tokens[len(where.tokens)-1])
	}
	if isMember && p.excludedNames[name] || anyMatches(p.excludedPointers, where.tokens) {
		return false
	}
	return isMember && p.names[name] || anyMatches(p.pointers, where.tokens)
}

// marked tells whether an object counts as an encrypted field by its members alone.
func marked(value *node) bool {
	return value.member("_encrypted") != nil || value.member("_ciphertext") != nil
}

// target is an outermost value that is sensitive or marked; slot is where its value can be replaced.
type target struct {
	where place
	slot  **node
}

// outermost finds the targets below the top, in document order. The event's depth was judged before.
func (p *policy) outermost(event *node) []target {
	var found []target
	var walk func(holder *node, where place)
	walk = func(holder *node, where place) {
		for at := range holder.children {
			child, here := holder.children[at], where
			if holder.kind == object {
				if len(where.tokens) == 0 && holder.names[at] == "_aegis" {
					continue
				}
				here = where.step(holder.names[at], "m")
			} else {
				here = where.step(strconv.Itoa(at), "i")
			}
			if marked(child) || p.sensitive(here) {
				found = append(found, target{here, &holder.children[at]})
			} else {
				walk(child, here)
			}
		}
	}
	walk(event, place{})
	return found
}

// Command go-reader opens events of the encrypted topic, one a line on standard input, and writes one line for each.
//
// The keys come from a file, or with -control from the records of a control topic, verified as a follower does.
//
// It was written from docs/wire-format.md and docs/decoding.md to show that a reader needs nothing else, and is held
// against every frozen vector in tests/vectors. README.md says what the keys file holds.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

type options struct {
	keys, control, agent, deployment, now string
	coded                                 bool
}

func main() {
	var given options
	flag.StringVar(&given.keys, "keys", "", "file with the keys, or with the KEKs alone (required)")
	flag.StringVar(&given.control, "control", "", "records of the control topic in their order, key TAB value a line")
	flag.StringVar(&given.agent, "agent", "", "with -control: file with the rotation agent's public key, base64")
	flag.StringVar(&given.deployment, "deployment", "aegis", "with -control: the deployment")
	flag.StringVar(&given.now, "now", "", "with -control: judge as of this time (RFC 3339), not the present")
	flag.BoolVar(&given.coded, "base64", false, "each line holds an event in base64: for events that are no single line")
	flag.Parse()
	refused, err := run(given, os.Stdin, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "go-reader:", err)
		os.Exit(2)
	case refused > 0:
		os.Exit(1)
	}
}

func keysOf(given options) (*keyring, error) {
	raw, err := os.ReadFile(given.keys)
	if err != nil {
		return nil, err
	}
	keys, err := loadKeyring(raw)
	if err != nil || given.control == "" {
		return keys, err
	}
	now := time.Now()
	if given.now != "" {
		if now, err = time.Parse(time.RFC3339, given.now); err != nil {
			return nil, err
		}
	}
	pinned, err := os.ReadFile(given.agent)
	if err != nil {
		return nil, err
	}
	public, ok := unb64(strings.TrimSpace(string(pinned)))
	if !ok {
		return nil, fmt.Errorf("the agent's public key is not one line of base64")
	}
	agentKey, err := loadAgent(public)
	if err != nil {
		return nil, err
	}
	records, err := os.ReadFile(given.control)
	if err != nil {
		return nil, err
	}
	from := &follower{deployment: given.deployment, agents: []*agent{agentKey}, records: map[string][][]byte{}}
	for line := range strings.Lines(string(records)) {
		key, text, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		value := []byte(text)
		if text == "null" { // as console consumers print a tombstone
			value = nil
		}
		if err := from.offer(key, value, now); err != nil {
			fmt.Fprintln(os.Stderr, "go-reader: warning:", err)
		}
	}
	return keys, from.fill(keys)
}

// run answers {"dek", "source", "event"} or {"refused": {"reason", "path"}} for each line, and counts the refusals.
func run(given options, in io.Reader, out io.Writer) (refused int, err error) {
	keys, err := keysOf(given)
	if err != nil {
		return 0, err
	}
	reader, results := newReader(keys), bufio.NewWriter(out)
	defer func() { err = errors.Join(err, results.Flush()) }()
	lines := bufio.NewReader(in)
	for {
		line, readErr := lines.ReadBytes('\n')
		if readErr != nil && !errors.Is(readErr, io.EOF) {
			return refused, readErr
		}
		if len(line) == 0 {
			return refused, nil
		}
		answer, ok, err := answerTo(reader, line, given.coded)
		if err != nil {
			return refused, err
		}
		if !ok {
			refused++
		}
		if _, err := results.WriteString(answer + "\n"); err != nil {
			return refused, err
		}
	}
}

func answerTo(reader *reader, line []byte, coded bool) (answer string, ok bool, err error) {
	raw := []byte(strings.TrimSuffix(string(line), "\n"))
	if coded {
		if raw, err = base64.StdEncoding.DecodeString(string(raw)); err != nil {
			return "", false, fmt.Errorf("a line that is no base64: %w", err)
		}
	}
	opened, err := reader.open(raw)
	var why *refusal
	if errors.As(err, &why) {
		text, err := json.Marshal(map[string]*refusal{"refused": why})
		return string(text), false, err
	}
	if err != nil {
		return "", false, err
	}
	var out strings.Builder
	out.WriteString(`{"dek":`)
	quote(&out, opened.dek)
	out.WriteString(`,"source":`)
	if opened.source == "" {
		out.WriteString("null")
	} else {
		quote(&out, opened.source)
	}
	out.WriteString(`,"event":`)
	opened.event.write(&out)
	out.WriteString("}")
	return out.String(), true, nil
}

// Command go-reader opens events of the encrypted topic, one a line on standard input, and writes one line for each.
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
)

func main() {
	keys := flag.String("keys", "", "file with the keys (required)")
	coded := flag.Bool("base64", false, "each line holds an event in base64: for events that are no single line")
	flag.Parse()
	refused, err := run(*keys, *coded, os.Stdin, os.Stdout)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "go-reader:", err)
		os.Exit(2)
	case refused > 0:
		os.Exit(1)
	}
}

// run answers {"dek", "source", "event"} or {"refused": {"reason", "path"}} for each line, and counts the refusals.
func run(keysPath string, coded bool, in io.Reader, out io.Writer) (refused int, err error) {
	raw, err := os.ReadFile(keysPath)
	if err != nil {
		return 0, err
	}
	keys, err := loadKeyring(raw)
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
		answer, ok, err := answerTo(reader, line, coded)
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

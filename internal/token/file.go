package token

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unicode"
	"unicode/utf8"

	"callcontroller/internal/config/source"
)

// list is the text of the file.
type list struct {
	Tokens []entry `json:"tokens"`
}

// entry is a token with its hash.
type entry struct {
	Token

	Hash Hash `json:"sha256"`
}

// MarshalText writes a hash in hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads one.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("sha256 has %d characters, and not %d hexadecimal digits", len(text), hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

// read reads the file; where there is none, there is no token.
func read(path string) ([]entry, error) {
	file, err := source.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	entries, err := decode(file.Text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return entries, nil
}

// decode reads the whole text or refuses it: a file that was cut short must not look like
// one from which tokens were taken.
func decode(text []byte) ([]entry, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var l list
	if err := d.Decode(&l); err != nil {
		return nil, malformed(text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something stands behind the end of the JSON")
	}
	if l.Tokens == nil {
		return nil, errors.New(`tokens: is missing; for none write {"tokens": []}, or remove the file`)
	}
	return l.Tokens, checkAll(l.Tokens)
}

func malformed(text []byte, err error) error {
	switch {
	case len(text) == 0:
		return errors.New(`the file is empty; for no tokens write {"tokens": []}, or remove it`)
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("the JSON has no end: the file was cut short")
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("line %d: no JSON: %w", 1+bytes.Count(text[:syntax.Offset], []byte("\n")), err)
	}
	return err
}

// encode writes the text, one token below the other.
func encode(entries []entry) ([]byte, error) {
	text, err := json.MarshalIndent(list{append([]entry{}, entries...)}, "", "  ")
	return append(text, '\n'), err
}

// checkAll checks every token, and that none is there twice.
func checkAll(entries []entry) error {
	ids, hashes := map[string]bool{}, map[Hash]bool{}
	for i, e := range entries {
		err := e.check()
		switch {
		case err != nil:
		case ids[e.ID]:
			err = fmt.Errorf("id %q: stands in the list before", e.ID)
		case hashes[e.Hash]:
			err = errors.New("sha256: stands in the list before")
		case e.Hash == Hash{}:
			err = errors.New("sha256: is missing")
		}
		if err != nil {
			return fmt.Errorf("tokens[%d].%w", i, err)
		}
		ids[e.ID], hashes[e.Hash] = true, true
	}
	return nil
}

// The most bytes of the texts.
const (
	maxID    = 64
	maxAgent = 128 // as of a name in the directory
	maxNote  = 256
)

// check tells whether a token makes sense. The error begins with the name of a field.
func (t Token) check() error {
	for _, f := range []struct {
		name, text string
		most       int
	}{{"id", t.ID, maxID}, {"agent", t.Agent, maxAgent}, {"note", t.Note, maxNote}} {
		if reason := checkText(f.text, f.most); reason != "" {
			return fmt.Errorf("%s: %s", f.name, reason)
		}
	}
	switch {
	case t.ID == "":
		return errors.New("id: is missing")
	case t.Scopes&(CallsRead|CallsWrite) == 0:
		return errors.New("scopes: neither calls:read nor calls:write is there, so the token could do nothing; admin says whose calls, not what with them")
	case t.Agent == "" && !t.Scopes.Has(Admin):
		return errors.New("agent: is missing; without one a token needs the scope admin, which is for every agent")
	case t.Created.IsZero():
		return errors.New("created: is missing")
	}
	return nil
}

// checkText gives what is wrong with a text, or "".
func checkText(text string, most int) string {
	if len(text) > most {
		return fmt.Sprintf("is longer than %d bytes", most)
	}
	if !utf8.ValidString(text) {
		return "is not UTF-8"
	}
	for _, r := range text {
		if unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp) {
			return fmt.Sprintf("has the control character %q in it", r)
		}
	}
	return ""
}

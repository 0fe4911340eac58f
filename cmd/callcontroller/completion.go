package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// shells are what makes each shell ask the hidden command "complete" for what may stand
// next. A line of its answer is a word, a tab and what it means; without an answer files
// are offered.
var shells = map[string]string{
	"bash": `_callcontroller() {
	local IFS=$'\n'
	COMPREPLY=($(callcontroller complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
}
complete -o default -F _callcontroller callcontroller
`,
	"zsh": `#compdef callcontroller
_callcontroller() {
	local -a found
	found=(${(f)"$(callcontroller complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
	found=(${${found//:/\\:}//$'\t'/:})
	if (( $#found )); then _describe callcontroller found; else _files; fi
}
compdef _callcontroller callcontroller
`,
	"fish": `function __callcontroller
	set -l found (callcontroller complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)
	if test (count $found) -gt 0
		printf '%s\n' $found
	else
		__fish_complete_path (commandline -ct)
	end
end;
complete -c callcontroller -f -a '(__callcontroller)'
`,
}

type completion struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is printed below the flags.
func (completion) Help() string {
	return `bash: source <(callcontroller completion bash), in ~/.bashrc.
zsh: source <(callcontroller completion zsh), in ~/.zshrc, below compinit.
fish: callcontroller completion fish > ~/.config/fish/completions/callcontroller.fish`
}

// Run implements the command.
func (c completion) Run(out io.Writer) error {
	_, err := io.WriteString(out, shells[c.Shell])
	return err
}

type complete struct {
	Words []string `arg:"" optional:"" passthrough:""`
}

// Run prints what may stand in the place of the last word.
func (c *complete) Run(out io.Writer, k *kong.Kong) error {
	for _, f := range candidates(k.Model, c.Words) {
		if _, err := fmt.Fprintf(out, "%s\t%s\n", f.word, f.help); err != nil {
			return err
		}
	}
	return nil
}

// candidate is a word that may stand next.
type candidate struct{ word, help string }

// candidates gives those that begin as the last word does.
func candidates(app *kong.Application, words []string) []candidate {
	words = slices.DeleteFunc(words, func(w string) bool { return w == "--" || w == "=" }) // bash splits --name=value
	if len(words) == 0 {
		words = []string{""}
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	node, flag := parse(app.Node, before)
	var list []candidate
	switch {
	case flag != nil:
		list = values(flag.Value)
	case strings.HasPrefix(last, "-"):
		list = flags(node)
	default:
		list = commandsOf(node)
		for _, p := range node.Positional {
			list = append(list, values(p)...)
		}
	}
	return slices.DeleteFunc(list, func(c candidate) bool { return !strings.HasPrefix(c.word, last) })
}

// parse gives the command in which the next word stands, and the flag of which it is the
// value, nil when it is none.
func parse(node *kong.Node, words []string) (*kong.Node, *kong.Flag) {
	var flag *kong.Flag
	for _, w := range words {
		if flag != nil {
			flag = nil
			continue
		}
		if flag = flagOf(node, w); flag != nil || strings.HasPrefix(w, "-") {
			continue
		}
		if i := slices.IndexFunc(node.Children, func(n *kong.Node) bool { return n.Name == w }); i >= 0 {
			node = node.Children[i]
		}
	}
	return node, flag
}

// flagOf gives the flag that wants the next word as its value, nil when there is none.
func flagOf(node *kong.Node, word string) *kong.Flag {
	for _, group := range node.AllFlags(false) {
		for _, f := range group {
			if !f.IsBool() && (word == "--"+f.Name || f.Short != 0 && word == "-"+string(f.Short)) {
				return f
			}
		}
	}
	return nil
}

func flags(node *kong.Node) []candidate {
	var list []candidate
	for _, group := range node.AllFlags(true) {
		for _, f := range group {
			list = append(list, candidate{"--" + f.Name, f.Help})
		}
	}
	return list
}

func commandsOf(node *kong.Node) []candidate {
	var list []candidate
	for _, n := range node.Children {
		if !n.Hidden {
			list = append(list, candidate{n.Name, n.Help})
		}
	}
	return list
}

// values are those that a flag or argument is bound to, if it is.
func values(v *kong.Value) []candidate {
	var list []candidate
	for _, text := range v.EnumSlice() {
		if text != "" {
			list = append(list, candidate{text, ""})
		}
	}
	return list
}

package source

import "strings"

// Nearest gives the known word that somebody may have meant, or "": one that ends
// in the word ("sip.domain" for "domain"), else the one that the fewest letters set
// apart, a third of them at most, else the first with the same last part
// ("sip.domain" for "phone.domain").
func Nearest(word string, known []string) string {
	if found := endingIn("."+word, known); found != "" {
		return found
	}
	best, bestDistance := "", len(word)/3+1
	for _, candidate := range known {
		if d := distance(word, candidate); d < bestDistance {
			best, bestDistance = candidate, d
		}
	}
	if best != "" {
		return best
	}
	return endingIn("."+word[strings.LastIndexByte(word, '.')+1:], known)
}

func endingIn(suffix string, known []string) string {
	for _, candidate := range known {
		if strings.HasSuffix(candidate, suffix) {
			return candidate
		}
	}
	return ""
}

// Unknown is the reason of a fault that names a key that nobody knows.
func Unknown(word string, known []string) string {
	if near := Nearest(word, known); near != "" {
		return "unknown key; did you mean " + near + "?"
	}
	return "unknown key"
}

// distance is Levenshtein's: how many letters must be put in, taken out or
// replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			row[j+1] = min(above+1, row[j]+1, replaced)
			diagonal = above
		}
	}
	return row[len(b)]
}

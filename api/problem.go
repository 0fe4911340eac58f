package api

// Problem is what went wrong (RFC 9457), with the type application/problem+json.
type Problem struct {
	Type     string  `json:"type" doc:"urn:callcontroller:problem:NAME, or about:blank." example:"urn:callcontroller:problem:denied"`
	Title    string  `json:"title"`
	Status   int     `json:"status"`
	Detail   string  `json:"detail,omitempty" doc:"Which field has which value, and which rule that breaks."`
	Instance string  `json:"instance,omitempty"`
	Rule     string  `json:"rule,omitempty" doc:"The rule of the policy, with 403 and 429."`
	Errors   []Fault `json:"errors,omitempty" nullable:"false" doc:"One for each field that is wrong, with 422."`
}

// Fault is one field that is wrong.
type Fault struct {
	Location string `json:"location" example:"body.caller"`
	Message  string `json:"message"`
	Value    any    `json:"value,omitempty"`
}

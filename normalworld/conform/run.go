package conform

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// Status is how a case ended.
type Status uint8

// Statuses.
const (
	Passed Status = iota
	Failed
	Skipped
)

func (s Status) String() string { return [...]string{"passed", "failed", "skipped"}[s] }

// Result is what became of one case.
type Result struct {
	*Case
	Status Status
	// Reason says why a case was skipped.
	Reason string
	// Failure is set where the case failed.
	Failure *Failure
}

// Suite runs cases. The targets of the variants are made when they are needed first, and reset before each case.
type Suite struct {
	factory Factory
	targets [numVariants]Target
	errs    [numVariants]error
}

// NewSuite runs on the targets of a factory.
func NewSuite(f Factory) *Suite { return &Suite{factory: f} }

func (s *Suite) target(v Variant) (Target, error) {
	if s.targets[v] == nil && s.errs[v] == nil {
		s.targets[v], s.errs[v] = s.factory(v)
		if s.errs[v] == nil {
			if err := s.targets[v].Properties().check(); err != nil {
				s.targets[v], s.errs[v] = nil, err
			}
		}
	}
	return s.targets[v], s.errs[v]
}

// Run runs one case. An error is about the target, not about its secure world.
func (s *Suite) Run(c *Case) (Result, error) {
	r := Result{Case: c}
	target, err := s.target(c.Variant)
	if errors.Is(err, ErrVariant) {
		r.Status, r.Reason = Skipped, fmt.Sprintf("%v: %v", err, c.Variant)
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("target %v: %w", c.Variant, err)
	}
	p := target.Properties()
	if missing := c.Needs.missing(p); missing != "" {
		r.Status, r.Reason = Skipped, missing
		return r, nil
	}
	if err := target.Reset(); err != nil {
		return r, fmt.Errorf("target %v: reset: %w", c.Variant, err)
	}
	t := &T{Properties: *p, target: target, ram: target.Port(apID)}
	t.place(p.RAM)
	end, crashed := t.run(c)
	switch {
	case end.failure != nil:
		r.Status, r.Failure = Failed, end.failure
	case end.skip != "":
		r.Status, r.Reason = Skipped, end.skip
	}
	if crashed {
		// Its state may be anything.
		s.targets[c.Variant] = nil
	}
	return r, nil
}

// run runs the case. A Go panic of the target is a failure of the case: a guest must not be able to cause one.
func (t *T) run(c *Case) (end stopped, crashed bool) {
	defer func() {
		switch v := recover().(type) {
		case nil:
		case stopped:
			end = v
		default:
			crashed = true
			end.failure = &Failure{What: "the target crashed", Want: "an answer", Details: []string{fmt.Sprint(v), string(debug.Stack())}}
			for i := range t.steps {
				end.failure.Before = append(end.failure.Before, t.steps[i].String())
			}
		}
	}()
	c.Run(t)
	return stopped{}, false
}

package memory

import "fmt"

// State is the access state that an endpoint has to a page (DEN0140, table 1.1).
type State uint8

// The states. The zero value is a page that the endpoint neither owns nor reaches.
const (
	NotOwnerNA State = iota // !Owner-NA
	NotOwnerSA              // !Owner-SA
	NotOwnerEA              // !Owner-EA
	OwnerNA                 // Owner-NA: lent
	OwnerSA                 // Owner-SA: shared
	OwnerEA                 // Owner-EA: exclusive
)

var stateNames = [...]string{"!Owner-NA", "!Owner-SA", "!Owner-EA", "Owner-NA", "Owner-SA", "Owner-EA"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Accessible reports whether the endpoint may access the page itself.
func (s State) Accessible() bool {
	return s == OwnerEA || s == OwnerSA || s == NotOwnerEA || s == NotOwnerSA
}

// Event is what changes the state of a page between its owner and a borrower.
type Event uint8

// The events. Donation has events of its own because the borrower becomes the owner.
const (
	Share Event = iota
	Lend
	Donate
	RetrieveShared
	RetrieveLent       // by the only borrower
	RetrieveLentShared // by one of several borrowers
	RetrieveDonated
	Relinquish
	Reclaim
)

// Transition is one row of the ownership state machine: the owner's and the borrower's state before and after.
type Transition struct {
	Event                     Event
	Owner, Borrower           State
	OwnerAfter, BorrowerAfter State
}

// Transitions is the ownership state machine (DEN0140, 1.5 and 1.6). What stands in no row is refused. It is never written.
var Transitions = [...]Transition{
	{Share, OwnerEA, NotOwnerNA, OwnerSA, NotOwnerNA},
	{Lend, OwnerEA, NotOwnerNA, OwnerNA, NotOwnerNA},
	{Donate, OwnerEA, NotOwnerNA, OwnerNA, NotOwnerNA},
	{RetrieveShared, OwnerSA, NotOwnerNA, OwnerSA, NotOwnerSA},
	{RetrieveLent, OwnerNA, NotOwnerNA, OwnerNA, NotOwnerEA},
	{RetrieveLentShared, OwnerNA, NotOwnerNA, OwnerNA, NotOwnerSA},
	{RetrieveDonated, OwnerNA, NotOwnerNA, NotOwnerNA, OwnerEA},
	{Relinquish, OwnerSA, NotOwnerSA, OwnerSA, NotOwnerNA},
	{Relinquish, OwnerNA, NotOwnerSA, OwnerNA, NotOwnerNA},
	{Relinquish, OwnerNA, NotOwnerEA, OwnerNA, NotOwnerNA},
	{Reclaim, OwnerSA, NotOwnerNA, OwnerEA, NotOwnerNA},
	{Reclaim, OwnerNA, NotOwnerNA, OwnerEA, NotOwnerNA},
}

// Next gives the states after e; ok is false where the machine has no such transition.
func Next(e Event, owner, borrower State) (ownerAfter, borrowerAfter State, ok bool) {
	for i := range Transitions {
		if t := &Transitions[i]; t.Event == e && t.Owner == owner && t.Borrower == borrower {
			return t.OwnerAfter, t.BorrowerAfter, true
		}
	}
	return owner, borrower, false
}

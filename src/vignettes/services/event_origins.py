"""What leads to each stored event: a command, or what a role has seen. Beside the rules, which do not know who asks."""

from eventsourcing.domain import AggregateEvent
from pydantic import BaseModel

from vignettes.domain.order import Order
from vignettes.domain.payment import BankPayment
from vignettes.domain.support_case import SupportCase
from vignettes.messages import bank_files, commands, payments, support

Origin = type[BaseModel] | str
"""The form of a request, or in words what no request asks for: which role, and when."""

_PASSING = "payments, once the order has answered"
_ON_STATEMENT = "payments, when a statement shows it"

_ORDERS: dict[type[AggregateEvent], tuple[Origin, ...]] = {
    Order.OrderPlaced: (commands.Place,),
    Order.PaymentReceived: (commands.ReceivePayment,),
    Order.PaymentNoticed: (commands.ReceivePayment,),
    Order.SurplusSetAside: (commands.ReceivePayment, commands.CorrectDetails),
    Order.SurplusReturned: (commands.ConfirmRefund,),
    Order.PaymentReversed: (commands.ReversePayment,),
    Order.PaymentTakenBack: (commands.TakeBackPayment,),
    Order.PayoutApproved: (commands.ApprovePayout,),
    Order.PayoutOrdered: (commands.OrderPayout,),
    Order.PayoutFailed: (commands.FailPayout,),
    Order.DetailsCorrected: (commands.CorrectDetails,),
    Order.EmailCorrected: (commands.CorrectEmail,),
    Order.LinkRequested: (commands.SendLink,),
    Order.MailReturned: (commands.NoteReturnedMail,),
    Order.StartWished: (commands.StartRegistration,),
    Order.TermsChanged: (commands.ChangeTerms,),
    Order.OutageRegarded: (commands.RegardOutage, commands.ReceivePayment, commands.CorrectDetails),
    Order.OutageDisregarded: (commands.RegardOutage,),
    Order.OrderHeld: (
        commands.HoldAsTwin,
        commands.StartDueRegistration,
        commands.ReceivePayment,
        commands.CorrectDetails,
        commands.AcceptTwin,
        commands.ReleaseTwin,
    ),
    Order.HoldReleased: (commands.CorrectDetails, commands.ReleaseTwin),
    Order.TwinAccepted: (commands.AcceptTwin,),
    Order.RegistrationStarted: (
        commands.StartDueRegistration,
        commands.StartDueRegistrations,
        commands.StartRegistration,
    ),
    Order.PersonCalled: (commands.CallPerson,),
    Order.VignetteIssued: (commands.RecordIssue,),
    Order.ValidityChanged: (commands.RecordValidity,),
    Order.RegistrationRejected: (commands.RecordRejection,),
    Order.OrderWithdrawn: (commands.Withdraw,),
    Order.RefundRequested: (
        commands.RequestRefund,
        commands.Withdraw,
        commands.RefundUnanswered,
        commands.ExpireOrder,
    ),
    Order.OrderRefunded: (commands.ConfirmRefund,),
    Order.OrderExpired: (commands.ExpireOrder, commands.RefundUnanswered),
    Order.PersonalDataErased: (commands.EraseOrder,),
}

_BANK_PAYMENTS: dict[type[AggregateEvent], tuple[Origin, ...]] = {
    BankPayment.PaymentBooked: (bank_files.ImportFile, bank_files.BookEntries, payments.TakeNotice),
    BankPayment.PaymentArrived: (bank_files.ImportFile, bank_files.BookEntries, payments.TakeNotice),
    BankPayment.PaymentMatched: ("payments, where the order is certain",),
    BankPayment.PaymentQueued: ("payments, where the order is not certain", payments.TakeNotice),
    BankPayment.PaymentAllocated: (payments.Allocate, payments.Reassign),
    BankPayment.PaymentCounted: (_PASSING,),
    BankPayment.ShareRefused: (_PASSING,),
    BankPayment.ReassignmentAsked: (payments.Reassign,),
    BankPayment.ShareReleased: (_PASSING,),
    BankPayment.ReassignmentRefused: (_PASSING,),
    BankPayment.LineRecognised: (
        "payments, where a provider's notice has told of the line",
        payments.TakeNotice,
        payments.PlaceReversal,
    ),
    BankPayment.RecognitionUndone: (payments.Reassign,),
    BankPayment.LineDismissed: (payments.DismissLine,),
    BankPayment.PaymentReversed: (_ON_STATEMENT, payments.TakeNotice, payments.PlaceReversal),
    BankPayment.ReturnApproved: (payments.ReturnPayment,),
    BankPayment.ReturnOrdered: (payments.PayOut,),
    BankPayment.ReturnFailed: (_ON_STATEMENT,),
    BankPayment.PaymentReturned: (_ON_STATEMENT,),
    BankPayment.PersonalDataErased: ("payments, once every order of it was erased",),
}

_CASES: dict[type[AggregateEvent], tuple[Origin, ...]] = {
    SupportCase.CaseOpened: (support.OpenCase, "support, where an order calls for a person"),
    SupportCase.MessageAdded: (support.AddMessage,),
    SupportCase.CaseAnswered: (support.AnswerCase,),
    SupportCase.CaseClosed: (
        support.CloseCase,
        "support, where it had asked itself and its order was erased",
    ),
    SupportCase.CaseReopened: (support.AddMessage, "support, when an answer came back"),
    SupportCase.AnswerReturned: ("support, when an answer came back",),
    SupportCase.PersonalDataErased: (
        support.EraseCase,
        "support, once its order was erased, or its time was over",
    ),
}

ORIGINS: dict[type[AggregateEvent], tuple[Origin, ...]] = {**_ORDERS, **_BANK_PAYMENTS, **_CASES}

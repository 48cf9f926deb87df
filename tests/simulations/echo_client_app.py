"""Answers with the sum of every array it got."""

from flwr.app import Context, Message, MetricRecord, RecordDict
from flwr.clientapp import ClientApp

from strategies.messages import read_float_array

app = ClientApp()


@app.query()
def query(message: Message, context: Context) -> Message:
    sums = {
        name: float(read_float_array(array).sum())
        for name, record in message.content.array_records.items()
        for array in record.values()
    }
    return Message(RecordDict({"echo": MetricRecord({name: sums[name] for name in sums})}), reply_to=message)

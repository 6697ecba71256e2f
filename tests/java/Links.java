import java.awt.Button;
import java.awt.Container;
import java.awt.FileDialog;
import java.awt.TextField;
import java.awt.Window;
import java.awt.event.ActionEvent;
import java.awt.event.ActionListener;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import javax.swing.JLabel;
import javax.swing.JSplitPane;
import javax.swing.JTable;
import uk.ac.starlink.topcat.DatalinkPanel;

/** A window of TOPCAT with a table of links. */
final class Links {
    final Window window;

    private Links(Window window) {
        this.window = window;
    }

    /** Waits for the window with a link that is described so. */
    static Links shown(String description) throws Exception {
        Screen.until("a link is shown: " + description, () -> with(description) != null);
        return with(description);
    }

    private static Links with(String description) {
        Window found = Screen.window(window -> !Screen.all(window, DatalinkPanel.class).isEmpty()
                && new Links(window).row("description", description) >= 0);
        return found == null ? null : new Links(found);
    }

    /** The meanings of the links, from the first to the last. */
    List<String> semantics() {
        List<String> found = new ArrayList<>();
        for (int row = 0; row < table().getRowCount(); row++) {
            found.add(String.valueOf(table().getValueAt(row, table().getColumnModel().getColumnIndex("semantics"))));
        }
        return found;
    }

    /** Clicks the first link whose column says so; tells what TOPCAT would do with it. */
    String choose(String column, String value) throws Exception {
        Screen.at(() -> {
            int row = row(column, value);
            table().setRowSelectionInterval(row, row);
            table().scrollRectToVisible(table().getCellRect(row, 0, true));
        });
        return Screen.picked(window, "Download URL");
    }

    void invoke(String action) throws Exception {
        Screen.at(() -> Screen.pick(window, action));
        Screen.at(() -> Screen.button(window, "Invoke").doClick());
    }

    /** Saves what the chosen link leads to under the name that the dialog asks for. */
    void save(File file) throws Exception {
        invoke("Download URL");
        Predicate<Window> asks = window -> window instanceof FileDialog;
        Screen.until("it asks for a file name", () -> Screen.window(asks) != null);
        Container dialog = Screen.window(asks);
        Screen.at(() -> {
            List<TextField> fields = Screen.all(dialog, TextField.class);
            fields.get(fields.size() - 1).setText(file.getPath());
            Button save = Screen.find(dialog, Button.class, button -> "Save".equals(button.getLabel()));
            for (ActionListener listener : save.getActionListeners()) {
                listener.actionPerformed(new ActionEvent(save, ActionEvent.ACTION_PERFORMED, save.getActionCommand()));
            }
        });
        Screen.until("it is saved", () -> says("OK") || says("FAIL"));
        if (says("FAIL")) {
            throw new IllegalStateException(file.getName() + " is not saved");
        }
    }

    /** Drags columns wide and the part below down, so that all links can be read. */
    void spread() {
        table().getColumn("semantics").setPreferredWidth(110);
        table().getColumn("description").setPreferredWidth(330);
        Screen.find(window, JSplitPane.class, split -> true).setDividerLocation(70 + table().getRowCount() * table().getRowHeight());
        table().scrollRectToVisible(table().getCellRect(0, 0, true));
    }

    private boolean says(String result) {
        return Screen.all(window, JLabel.class).stream().anyMatch(label -> label.isShowing() && result.equals(label.getText()));
    }

    private JTable table() {
        return Screen.find(window, JTable.class, table -> table.getColumnCount() > 1);
    }

    private int row(String column, String value) {
        JTable table = table();
        for (int j = 0; j < table.getColumnCount(); j++) {
            for (int i = 0; column.equals(table.getColumnName(j)) && i < table.getRowCount(); i++) {
                if (value.equals(table.getValueAt(i, j))) {
                    return i;
                }
            }
        }
        return -1;
    }
}

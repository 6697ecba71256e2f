import java.awt.Window;
import java.io.File;
import java.util.function.Predicate;
import javax.swing.JComboBox;
import javax.swing.JDialog;
import javax.swing.JFrame;
import javax.swing.JTable;
import javax.swing.JTextField;
import javax.swing.SwingUtilities;
import uk.ac.starlink.topcat.ControlWindow;
import uk.ac.starlink.topcat.SubsetConsumerDialog;
import uk.ac.starlink.topcat.TopcatModel;

/** TOPCAT's window with the rows of a table, and what is done to rows. */
final class Rows {
    final JFrame window;
    private final ControlWindow control;
    private final TopcatModel table;

    private Rows(ControlWindow control, TopcatModel table, JFrame window) {
        this.control = control;
        this.table = table;
        this.window = window;
    }

    static Rows open(ControlWindow control, TopcatModel table) throws Exception {
        Screen.at(() -> {
            control.getTablesList().setSelectedValue(table, true);
            Screen.menuItem(control.getJMenuBar(), "Table Data").doClick();
        });
        Predicate<Window> shown = window -> window.getClass().getSimpleName().equals("TableViewerWindow")
                && cells(window).getModel() == table.getViewModel();
        Screen.until("the rows are shown", () -> Screen.window(shown) != null);
        return new Rows(control, table, (JFrame) Screen.window(shown));
    }

    private static JTable cells(Window window) {
        return Screen.find(window, JTable.class, found -> found.getColumnCount() > 1);
    }

    /** Marks rows, and makes them the current subset under a name. */
    void subset(String name, int... marked) throws Exception {
        Screen.at(() -> {
            JTable cells = cells(window);
            cells.getSelectionModel().setValueIsAdjusting(true);
            cells.clearSelection();
            for (int row : marked) {
                cells.addRowSelectionInterval(row, row);
            }
            cells.getSelectionModel().setValueIsAdjusting(false);
        });
        // The dialog holds up whoever presses the button.
        SwingUtilities.invokeLater(() -> Screen.menuItem(window.getJMenuBar(), "Subset From Selected Rows").doClick());
        Predicate<Window> asks = window -> window instanceof JDialog && !Screen.all(window, SubsetConsumerDialog.class).isEmpty();
        Screen.until("it asks for a name", () -> Screen.window(asks) != null);
        JDialog dialog = (JDialog) Screen.window(asks);
        Screen.at(() -> {
            Screen.find(dialog, JComboBox.class, box -> box.isEditable()).setSelectedItem(name);
            Screen.button(dialog, "Add and Set Current Subset").doClick();
        });
        Screen.until("the subset is the current one", () -> table.getSelectedSubset().getName().equals(name)
                && cells(window).getRowCount() == marked.length);
    }

    /** Saves the current subset; the file's name says in which form. */
    void save(File file) throws Exception {
        Screen.at(() -> {
            control.getTablesList().setSelectedValue(table, true);
            Screen.menuItem(control.getJMenuBar(), "Save Table").doClick();
        });
        Screen.until("the window for saving opens", () -> Screen.window("SaveQueryWindow") != null);
        Window saving = Screen.window("SaveQueryWindow");
        Screen.at(() -> {
            Screen.find(saving, JTextField.class, field -> field.isShowing() && field.isEditable()
                            && !(SwingUtilities.getAncestorOfClass(JComboBox.class, field) instanceof JComboBox))
                    .setText(file.getPath());
            Screen.button(saving, "OK").doClick();
        });
        Screen.until("it is saved", () -> !saving.isShowing());
    }
}
